"""What can be proposed about a stage: its coverage, and its plan field by field."""

from collections.abc import Mapping
from enum import StrEnum
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

from portal.admin.acts import Shown
from portal.domain.roles import May
from rollout.admin.proposing import Proposal, ProposalForm, fields_of, proposing
from rollout.admin.typed import as_text, from_text
from rollout.domain.bucketing import percentage_of, share_of
from rollout.domain.criteria import Criteria
from rollout.domain.evidence import Restarts
from rollout.domain.exposure import Risk
from rollout.domain.feasibility import Forecast, forecasts
from rollout.domain.gates import NAMES
from rollout.domain.judgements import percent
from rollout.domain.stages import (
    ANY,
    SENSITIVITIES,
    OnHardGateFailure,
    RollbackTo,
    StagePlan,
    StageState,
)
from rollout.models import OPEN_STATES, Change, Stage

TRUE_RATE = 0.98  # of a system that is good, as far as anybody can say
GROUPS = {
    "Who is let in": (
        *("teams", "query_classes", "modes", "environments"),
        *("sensitivity", "forces_no_web", "caps", "coverage_steps"),
    ),
    "What takes it on": (
        *("is_judged_by_person", "judged_gates", "promote_bar", "class_bar"),
        *("alpha_promote", "max_runs", "max_unknown", "latency_budget_s", "looks"),
        *("restarts", "promotes_by_itself", "is_optional", "true_rate"),
    ),
    "What takes it back": (
        *("floor", "alpha_rollback", "on_hard_gate_failure", "rollback_to"),
        *("max_open_s", "confirm_after_s"),
    ),
}


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
        initial = {"coverage": f"{float(subject.coverage):g}"}
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


def _count(label: str, hint: str = "", *, required: bool = True) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        min_value=1,
        required=required,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=hint,
    )


def _yes_or_no(label: str, hint: str = "") -> forms.BooleanField:
    return forms.BooleanField(
        label=label,
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text=hint,
    )


def _one_of(
    kinds: type[StrEnum], label: str, words: Mapping[str, str]
) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label,
        choices=[(str(each), words[each]) for each in kinds],
        widget=UnfoldAdminSelectWidget(),
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
    forces_no_web = _yes_or_no(
        "Keep off the web", "Goes with the sensitivity no_web, and with no other."
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
    on_hard_gate_failure = _one_of(
        OnHardGateFailure,
        "A hard gate that fails for good",
        {"roll_back": "rolls the stage back", "count": "counts as a failure"},
    )
    is_judged_by_person = _yes_or_no("Judged by a person")
    promote_bar = _rate("Bar for promotion")
    class_bar = _rate("Bar of each query class")
    floor = _rate("Floor, below which it rolls back")
    alpha_promote = _rate("Error allowed when promoting", "0 to 1.", required=True)
    alpha_rollback = _rate("Error allowed when rolling back", "0 to 1.", required=True)
    max_unknown = _rate(
        "Most runs that may say nothing",
        "A share, 0 to 1; above it: hold.",
        required=True,
    )
    restarts = _one_of(
        Restarts,
        "A further attempt",
        {
            "continue": "goes on with the evidence there is",
            "spend": "starts anew, and may err half as often",
        },
    )
    looks = _names(
        "Planned looks",
        "Numbers of runs: 20, 50, 100. Empty: any look may be the last.",
    )
    latency_budget_s = _count(
        "Latency budget, in seconds", "Empty: latency is not judged.", required=False
    )
    max_runs = _count("Most runs")
    max_open_s = _count("Longest open time, in seconds")
    confirm_after_s = _count("Failures count after, in seconds")
    coverage_steps = _names("Steps of the coverage", "Percentages: 5, 25, 50, 100.")
    is_optional = _yes_or_no("Can be passed over")
    promotes_by_itself = _yes_or_no(
        "Goes on by itself",
        "When all is proven and nothing is missing; nobody is asked.",
    )
    rollback_to = _one_of(
        RollbackTo,
        "A rollback leads to",
        {"previous": "the last stage that was promoted", "off": "off: no stage at all"},
    )
    true_rate = forms.FloatField(
        label="If this share truly passes",
        initial=TRUE_RATE,
        min_value=0.01,
        max_value=1,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
        help_text="Only to work out the chances; it is no part of the plan.",
    )

    def __init__(self, *args: Any, subject: Stage, **kwargs: Any) -> None:
        plan = StagePlan.from_json(subject.plan).to_json()
        initial = {
            name: as_text(value) if name in _LISTS else value
            for name, value in plan.items()
        }
        initial["caps"] = "\n".join(f"{key} {cap}" for key, cap in plan["caps"].items())
        super().__init__(*args, subject=subject, initial=initial, **kwargs)
        self.pointers = {f"{path_of(subject)}/plan/{name}": name for name in plan}

    @property
    def groups(self) -> list[dict[str, Any]]:
        """The fields, by what they decide."""
        return [
            {"title": title, "fields": [self[name] for name in names]}
            for title, names in GROUPS.items()
        ]

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


_NUMBERS = ("coverage_steps", "looks")
_LISTS = ("teams", "query_classes", "modes", "environments", *_NUMBERS)


def _items(text: str, name: str) -> list[Any]:
    items = [each.strip() for each in text.split(",") if each.strip()]
    return [from_text(each) for each in items] if name in _NUMBERS else items


def _ask_coverage(stage: Stage, said: dict[str, Any]) -> Proposal:
    value = percentage_of(share_of(said["coverage"]))
    return Proposal(
        rollout=stage.rollout, wanted=fields_of(path_of(stage), {"coverage": value})
    )


def _ask_plan(stage: Stage, said: dict[str, Any]) -> Proposal:
    wanted = fields_of(f"{path_of(stage)}/plan", _plan_values(said))
    return Proposal(rollout=stage.rollout, wanted=wanted)


def _plan_values(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: said[name] for name in StagePlan.__dataclass_fields__}


def _forecast(said: Mapping[str, Any]) -> Shown:
    """What the plan that was said would take."""
    plan = StagePlan.from_json(_plan_values(said))
    return _forecasts("What this plan would take", plan, said["true_rate"])


def _forecast_now(stage: Stage) -> Shown:
    plan = StagePlan.from_json(stage.plan)
    return _forecasts("What the plan takes now", plan, TRUE_RATE)


def _forecasts(title: str, plan: StagePlan, rate: float) -> Shown:
    found = forecasts(Criteria.of(plan), true_rate=rate)
    rows = [
        {
            "what": _claims_in_words(each),
            "chance": _chance(each.chance),
            "said": each,
        }
        for each in found
    ]
    data = {"title": title, "forecasts": rows, "rate": percent(rate)}
    return Shown("rollout/forecasts.html", data)


def _chance(chance: float) -> str:
    return "over 99.9 %" if chance > 0.999 else percent(round(chance, 3))


def _claims_in_words(forecast: Forecast) -> str:
    who = "all together" if forecast.query_class == ANY else forecast.query_class
    plural = "s" if forecast.claims > 1 else ""
    return f"{percent(forecast.bar)}, {who}: {forecast.claims} claim{plural}"


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
            f"Coverage is {float(stage.coverage):g} % now.",
            "Widening drops nobody who is in.",
        ],
    ),
    proposing(
        "edit_plan",
        "Edit the plan",
        PlanForm,
        _ask_plan,
        path=path_of,
        beside=_forecast,
        about=_forecast_now,
        hidden=lambda stage, actor: stage.state == StageState.DISABLED,
        effects=lambda stage: [
            "Another plan makes another fingerprint: evidence from before is of "
            "another configuration."
        ],
    ),
)
