"""What can be proposed about a stage: its coverage, and its plan field by field."""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from portal.domain.roles import May
from rollout.admin.proposing import Proposal, ProposalForm, fields_of, proposing
from rollout.admin.typed import as_text, from_text
from rollout.domain.bucketing import percentage_of, share_of
from rollout.domain.exposure import Risk
from rollout.domain.gates import NAMES
from rollout.domain.stages import (
    SENSITIVITIES,
    OnHardGateFailure,
    StagePlan,
    StageState,
)
from rollout.models import OPEN_STATES, Change, Stage


def path_of(stage: Stage) -> str:
    """Where the stage stands in the configuration."""
    return f"/stages/{stage.key}"


class CoverageForm(ProposalForm):
    """Another share of the units."""

    coverage = forms.DecimalField(
        min_value=0,
        max_value=100,
        decimal_places=2,
        widget=UnfoldAdminDecimalFieldWidget(),
        help_text="Percent. Less is done at once; more takes a second person.",
    )
    field_order = ["coverage", "waits", "reason"]

    def __init__(self, *args: Any, subject: Stage, **kwargs: Any) -> None:
        initial = {"coverage": subject.coverage}
        super().__init__(*args, subject=subject, initial=initial, **kwargs)
        self.pointers = {f"{path_of(subject)}/coverage": "coverage"}


def _names(label: str, hint: str = "") -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        help_text=hint or "With commas between; * is everything.",
    )


def _rate(label: str, hint: str = "", *, required: bool = False) -> forms.FloatField:
    return forms.FloatField(
        label=label,
        required=required,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
        help_text=hint or "From 0 to 1; empty: none.",
    )


def _count(label: str) -> forms.IntegerField:
    return forms.IntegerField(
        label=label, min_value=1, widget=UnfoldAdminIntegerFieldWidget()
    )


class PlanForm(ProposalForm):
    """Who is admitted, with which caps, and what it takes to move on."""

    template = "rollout/plan_fields.html"
    teams = _names("Teams")
    query_classes = _names("Query classes")
    modes = _names("Modes")
    environments = _names("Environments")
    sensitivity = forms.ChoiceField(
        label="Highest sensitivity",
        choices=[(each, each) for each in SENSITIVITIES],
        widget=UnfoldAdminSelectWidget(),
    )
    forces_no_web = forms.BooleanField(
        label="Keep off the web",
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text="Goes with the sensitivity no_web, and with no other.",
    )
    caps = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
        help_text="A flag and its largest value on each line: PAI_DR_CLI_… 4",
    )
    judged_gates = forms.MultipleChoiceField(
        choices=[(letter, f"{letter} {name}") for letter, name in NAMES.items()],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    on_hard_gate_failure = forms.ChoiceField(
        choices=[(str(each), each.replace("_", " ")) for each in OnHardGateFailure],
        widget=UnfoldAdminSelectWidget(),
    )
    is_judged_by_person = forms.BooleanField(
        label="Judged by a person",
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
    )
    promote_bar = _rate("Bar for promotion")
    class_bar = _rate("Bar of each query class")
    floor = _rate("Floor, below which it rolls back")
    alpha_promote = _rate("Error allowed when promoting", "0 to 1.", required=True)
    alpha_rollback = _rate("Error allowed when rolling back", "0 to 1.", required=True)
    max_runs = _count("Most runs")
    max_open_s = _count("Longest open time, in seconds")
    confirm_after_s = _count("Failures count after, in seconds")
    coverage_steps = _names("Steps of the coverage", "Percentages: 5, 25, 50, 100.")
    field_order = [*StagePlan.__dataclass_fields__, "waits", "reason"]

    def __init__(self, *args: Any, subject: Stage, **kwargs: Any) -> None:
        plan = StagePlan.from_json(subject.plan).to_json()
        initial = {
            name: as_text(value) if name in _LISTS else value
            for name, value in plan.items()
        }
        initial["caps"] = "\n".join(f"{key} {cap}" for key, cap in plan["caps"].items())
        super().__init__(*args, subject=subject, initial=initial, **kwargs)
        self.pointers = {f"{path_of(subject)}/plan/{name}": name for name in plan}

    def clean_caps(self) -> dict[str, int]:
        caps: dict[str, int] = {}
        for line in self.cleaned_data["caps"].splitlines():
            key, _, cap = line.strip().partition(" ")
            if not key:
                continue
            if not cap.strip().isdecimal() or len(cap) > 15:
                raise forms.ValidationError(f"{line.strip()!r} is no flag and number.")
            caps[key] = int(cap)
        return caps

    def clean(self) -> dict[str, Any]:
        said = super().clean()
        for name in _LISTS:
            said[name] = _items(said.get(name, ""), name)
        return said


_LISTS = ("teams", "query_classes", "modes", "environments", "coverage_steps")


def _items(text: str, name: str) -> list[Any]:
    items = [each.strip() for each in text.split(",") if each.strip()]
    return [from_text(each) for each in items] if name == "coverage_steps" else items


def _ask_coverage(stage: Stage, said: dict[str, Any]) -> Proposal:
    value = percentage_of(share_of(said["coverage"]))
    return Proposal(
        rollout=stage.rollout, wanted=fields_of(path_of(stage), {"coverage": value})
    )


def _ask_plan(stage: Stage, said: dict[str, Any]) -> Proposal:
    values = {name: said[name] for name in StagePlan.__dataclass_fields__}
    return Proposal(
        rollout=stage.rollout, wanted=fields_of(f"{path_of(stage)}/plan", values)
    )


def _narrowing(draft: Change) -> May:
    """Narrowing is an act towards safety, and takes no more than that."""
    return May.HOLD if draft.risk == Risk.SAFER else May.PROPOSE_CHANGE


ACTS = (
    proposing(
        "coverage",
        "Change the coverage",
        CoverageForm,
        _ask_coverage,
        path=path_of,
        grant=_narrowing,
        may=May.HOLD,
        hidden=lambda stage, actor: stage.state not in OPEN_STATES,
        effects=lambda stage: [
            f"Coverage is {stage.coverage} % now.",
            "Widening drops nobody who is in.",
        ],
    ),
    proposing(
        "edit_plan",
        "Edit the plan",
        PlanForm,
        _ask_plan,
        path=path_of,
        hidden=lambda stage, actor: stage.state == StageState.DISABLED,
        effects=lambda stage: [
            "Another plan makes another fingerprint: evidence from before is of "
            "another configuration."
        ],
    ),
)
