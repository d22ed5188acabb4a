"""Proposing a change from a form: what it rests on, what it would do, and doing it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django import forms
from django.urls import reverse
from unfold.widgets import UnfoldBooleanSwitchWidget

from portal.admin.acts import Act, Basis, Done, ReasonForm, Shown
from portal.domain.canonical import digest_of
from portal.domain.roles import May
from portal.errors import PreconditionFailed
from portal.models import Actor
from rollout.domain import configuration as configurations
from rollout.domain.changes import ChangeState, Origin
from rollout.domain.exposure import Risk
from rollout.domain.flags import ENABLED
from rollout.domain.wording import in_words
from rollout.models import Change, Rollout
from rollout.services import changes, configuration, previews, proposals

MOST_SHOWN = 20
KEY = "targetingKey"


class ProposalForm(ReasonForm):
    """What is proposed, why, and whether it may count at once."""

    waits = forms.BooleanField(
        label="Wait until somebody applies it",
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text="Even if it exposes nobody to more and could count at once.",
    )
    field_order = ["waits", "reason"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a form asks for: of which rollout, what, and how that is called."""

    rollout: Rollout
    wanted: proposals.Wanted
    origin: Origin = Origin.EDIT


Ask = Callable[[Any, Mapping[str, Any]], Proposal]  # an object, and what was said


def proposing(
    name: str,
    title: str,
    form: type[ProposalForm],
    ask: Ask,
    *,
    path: Callable[[Any], str] | None = None,
    grant: Callable[[Change], May] = lambda draft: May.PROPOSE_CHANGE,
    beside: Callable[[Mapping[str, Any]], Shown | None] = lambda said: None,
    **more: Any,
) -> Act:
    """An act that proposes a change, after showing exactly what it would do.

    `path` is the place of the object in the configuration; a form that was opened
    before something changed there is refused. What `beside` makes of what was said is
    shown together with what would happen.
    """

    def foresee(subject: Any, actor: Actor, said: dict[str, Any]) -> Shown:
        asked = ask(subject, said)
        draft = proposals.drafted(asked.rollout, asked.wanted)
        found = shown(draft, waits=said["waits"])
        return replace(found, data={**found.data, "beside": beside(said)})

    def perform(subject: Any, actor: Actor, said: dict[str, Any]) -> Done:
        asked = ask(subject, said)
        draft = said["foreseen"].data["change"]
        change = changes.propose(
            asked.rollout.key,
            as_shown(draft, asked.wanted),
            by=actor,
            reason=said["reason"],
            title=_title(draft),
            origin=asked.origin,
            grant=grant(draft),
            waits=said["waits"],
        )
        return Done(_outcome(change), page_of(change))

    basis = None
    if path is not None:
        basis = Basis(
            mark=lambda subject: _mark(subject.rollout, path(subject)),
            since=lambda subject, mark: _since(subject.rollout, path(subject), mark),
            is_same=lambda one, other: _digest_in(one) == _digest_in(other),
        )
    return Act(
        name=name,
        title=title,
        form=form,
        foresee=foresee,
        perform=perform,
        basis=basis,
        done_as="Propose this",
        **{"may": May.PROPOSE_CHANGE, **more},
    )


def page_of(change: Change) -> str:
    """The address of a change's page."""
    return reverse("admin:rollout_change_change", args=[change.pk])


def fields_of(path: str, values: Mapping[str, Any]) -> proposals.Wanted:
    """Other values for some fields of what stands at `path`."""
    return proposals.patch(
        [
            {"op": "replace", "path": f"{path}/{name}", "value": value}
            for name, value in values.items()
        ]
    )


def shown(draft: Change, *, waits: bool) -> Shown:
    """What a change would do: every edit, its risk, who would be decided otherwise."""
    preview = previews.of_change(draft)
    data = {
        "change": draft,
        "edits": edits_for_display(draft),
        "risk": str(Risk(draft.risk)),
        "takes_approval": Risk(draft.risk).takes_approval,
        "waits": waits,
        "preview": preview,
        "groups": alike(preview),
    }
    mark = f"{draft.digest}{'-waits' if waits else ''}"
    return Shown("rollout/foreseen.html", data, mark=mark)


def as_shown(draft: Change, wanted: proposals.Wanted) -> proposals.Wanted:
    """`wanted`, on nothing but the configuration that somebody has looked at."""

    def checked(now: dict[str, Any]) -> Any:
        if configurations.digest(now) != draft.base_digest:
            raise PreconditionFailed(
                "The configuration has changed while you looked; look at it once more.",
                code="LOOK_AGAIN",
            )
        return wanted(now)

    return checked


def edits_for_display(change: Change) -> list[dict[str, Any]]:
    """The edits of a change in words, each with its risk."""
    return [
        {"said": in_words(edit), "risk": change.risks[edit.path]}
        for edit in proposals.edits_of(change)
    ]


def alike(preview: previews.Preview) -> list[dict[str, Any]]:
    """The runs that would be decided for differently, together where it is the same."""
    groups: dict[tuple[Any, ...], list[dict[str, str]]] = {}
    for each in preview.shown:
        # The decision itself is said by the workflow already.
        changes = tuple(change for change in each.changes if change[0] != ENABLED)
        said = {k: v for k, v in each.asked.items() if k not in ("run_id", KEY)}
        run = {
            "run_id": each.run_id,
            "decision_id": each.decision_id,
            "asked": ", ".join(f"{name} {value}" for name, value in said.items()),
        }
        groups.setdefault(changes, []).append(run)
    return [{"changes": changes, "runs": runs} for changes, runs in groups.items()]


def _title(draft: Change) -> str:
    edits = proposals.edits_of(draft)
    more = f", and {len(edits) - 1} more" if edits[1:] else ""
    return f"{in_words(edits[0]).place[:180]}{more}"


def _outcome(change: Change) -> str:
    if change.state == ChangeState.APPLIED:
        return "Proposed and applied: it exposes nobody to more, so it counts now."
    if Risk(change.risk).takes_approval:
        return "Proposed; another person has to approve it before it can be applied."
    return "Proposed; it waits until somebody applies it."


# What a form rests on: a place of the configuration, and the last change before it


def _mark(rollout: Rollout, path: str) -> str:
    place: Any = configuration.read(rollout)
    for part in path.split("/")[1:]:
        place = place.get(part, {})
    last = _applied(rollout).order_by("-applied_at", "-pk").first()
    return f"{digest_of(place)}.{last.pk if last else 0}"


def _since(rollout: Rollout, path: str, mark: str) -> Shown:
    """The changes at `path` that were applied after the form was opened."""
    known = _applied(rollout).filter(pk=_number_in(mark)).first()
    later = _applied(rollout).select_related("author").order_by("-applied_at", "-pk")
    if known is not None:
        later = later.filter(applied_at__gt=known.applied_at)
    found = [
        {"change": change, "edits": edits}
        for change in later[:MOST_SHOWN]
        if (edits := [e for e in edits_for_display(change) if _is_in(path, e)])
    ]
    return Shown("rollout/since.html", {"changes": found})


def _applied(rollout: Rollout) -> Any:
    return Change.objects.filter(rollout=rollout, state=ChangeState.APPLIED)


def _digest_in(mark: str) -> str:
    return mark.rpartition(".")[0]


def _number_in(mark: str) -> int:
    number = mark.rpartition(".")[2]
    return int(number) if re.fullmatch("[0-9]{1,18}", number) else 0


def _is_in(path: str, edit: dict[str, Any]) -> bool:
    return f"{edit['said'].path}/".startswith(f"{path}/")
