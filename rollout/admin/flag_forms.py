"""What can be proposed about a flag: its default, what it needs, who answers for it."""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from rollout.admin.proposing import Proposal, ProposalForm, fields_of, proposing
from rollout.admin.rule_forms import RulesForm
from rollout.admin.typed import (
    as_text,
    from_text,
    of_field,
    to_field,
    value_field,
    with_credentials,
)
from rollout.domain.flags import ENABLED, without_credentials
from rollout.models import Flag
from rollout.services import flags

SPARE_ROWS = 2
MOST_PREREQUISITES = 10


def path_of(flag: Flag) -> str:
    """Where the flag stands in the configuration."""
    return f"/flags/{flag.key}"


class FlagForm(ProposalForm):
    """Other values for fields of a flag; `names` are those that the form holds."""

    names: tuple[str, ...] = ()

    def __init__(self, *args: Any, subject: Flag, **kwargs: Any) -> None:
        super().__init__(*args, subject=subject, **kwargs)
        self.pointers = {f"{path_of(subject)}/{name}": name for name in self.names}


class DefaultForm(FlagForm):
    """Another default."""

    names = ("default",)

    def __init__(self, *args: Any, subject: Flag, **kwargs: Any) -> None:
        super().__init__(*args, subject=subject, **kwargs)
        spec = flags.spec_of(subject)
        field = value_field(spec, label="Default", required=not spec.is_nullable)
        field.initial = to_field(spec, subject.default)
        self.fields = {"default": field, **self.fields}

    def clean_default(self) -> Any:
        value = of_field(flags.spec_of(self.subject), self.cleaned_data["default"])
        return with_credentials(value, self.subject.default)


class AboutForm(FlagForm):
    """What decides nothing: the description, the owner, the date to take it out."""

    names = ("description", "owner", "expires_on")
    description = forms.CharField(
        required=False, max_length=2000, widget=UnfoldAdminTextareaWidget({"rows": 3})
    )
    owner = forms.CharField(
        required=False,
        max_length=100,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Who answers for this flag.",
    )
    expires_on = forms.DateField(
        required=False,
        widget=UnfoldAdminSingleDateWidget(),
        help_text="When it should have been taken out, as 2026-12-31.",
    )
    field_order = [*names, "waits", "reason"]

    def __init__(self, *args: Any, subject: Flag, **kwargs: Any) -> None:
        initial = {name: getattr(subject, name) for name in self.names}
        super().__init__(*args, subject=subject, initial=initial, **kwargs)

    def clean_expires_on(self) -> str | None:
        day = self.cleaned_data["expires_on"]
        return day.isoformat() if day else None


class PrerequisitesForm(FlagForm):
    """Other flags, and the values with which this one's rules count."""

    names = ("prerequisites",)

    def __init__(self, *args: Any, subject: Flag, **kwargs: Any) -> None:
        super().__init__(*args, subject=subject, **kwargs)
        others = subject.rollout.flags.filter(is_live=True).exclude(pk=subject.pk)
        keys = list(others.values_list("key", flat=True))
        known = without_credentials(subject.prerequisites)
        filled = self._filled() if self.is_bound else len(known)
        rows = {}
        for number in range(min(filled + SPARE_ROWS, MOST_PREREQUISITES)):
            raw = known[number] if number < len(known) else {"flag": "", "values": []}
            rows[f"flag-{number}"] = forms.ChoiceField(
                required=False,
                label=f"Needs, {number + 1}",
                choices=[("", "—"), *((key, key) for key in keys)],
                initial=raw["flag"],
                widget=UnfoldAdminSelectWidget(),
            )
            rows[f"values-{number}"] = forms.CharField(
                required=False,
                label="to be one of",
                initial=as_text(raw["values"]) if raw["flag"] else "",
                widget=UnfoldAdminTextInputWidget(),
                help_text="Values with commas between: true, or quick, standard.",
            )
        self.fields = {**rows, **self.fields}

    def _filled(self) -> int:
        """How many rows there are up to the last one that says something."""
        numbers = range(MOST_PREREQUISITES)
        return max((n + 1 for n in numbers if self.data.get(f"flag-{n}")), default=0)

    def clean(self) -> dict[str, Any]:
        said = super().clean()
        found: list[dict[str, Any]] = []
        for number in range(MOST_PREREQUISITES):
            if key := said.get(f"flag-{number}"):
                place = f"{path_of(self.subject)}/prerequisites/{len(found)}"
                self.pointers[place] = f"values-{number}"
                values = from_text(said.get(f"values-{number}", ""), is_list=True)
                found.append({"flag": key, "values": values})
        said["prerequisites"] = with_credentials(found, self.subject.prerequisites)
        return said


def _ask(*names: str) -> Any:
    def ask(flag: Flag, said: dict[str, Any]) -> Proposal:
        values = {name: said[name] for name in names}
        return Proposal(rollout=flag.rollout, wanted=fields_of(path_of(flag), values))

    return ask


def _is_fixed(flag: Flag, actor: Any) -> bool:
    return flag.key == ENABLED or not flag.is_live


ACTS = (
    proposing(
        "change_default",
        "Change the default",
        DefaultForm,
        _ask("default"),
        path=path_of,
        hidden=_is_fixed,
        effects=lambda flag: [
            "Runs that have started keep the value that they started with."
        ],
    ),
    proposing(
        "edit_rules",
        "Edit the rules",
        RulesForm,
        _ask("rules"),
        path=path_of,
        hidden=_is_fixed,
        effects=lambda flag: [
            "Rules are tried in the order of their places; the first whose conditions "
            "all hold gives the value, and whoever matches none gets the default.",
            "Whoever matches but is not in the share goes on to the next rule.",
        ],
    ),
    proposing(
        "edit_prerequisites",
        "Edit the prerequisites",
        PrerequisitesForm,
        _ask("prerequisites"),
        path=path_of,
        hidden=_is_fixed,
        effects=lambda flag: [
            "Unless all of them are met, the rules of this flag do not count."
        ],
    ),
    proposing(
        "edit_about",
        "Edit owner, expiry, description",
        AboutForm,
        _ask("description", "owner", "expires_on"),
        path=path_of,
        hidden=lambda flag, actor: not flag.is_live,
        effects=lambda flag: ["None of this decides anything."],
    ),
)
