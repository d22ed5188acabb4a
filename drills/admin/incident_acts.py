"""What can be done with an incident: only what is legal now is offered."""

from collections.abc import Callable
from typing import Any

from django.urls import reverse

from drills.admin import break_glass
from drills.admin.incident_forms import (
    HandOverForm,
    LinkForm,
    NoteForm,
    OpenForm,
    PostmortemForm,
    ReachedForm,
    RowForm,
    SeverityForm,
    StepForm,
    TaskForm,
)
from drills.admin.runbook_forms import FollowForm
from drills.domain import incidents as domain
from drills.domain.checklists import Finding
from drills.domain.incidents import MOVES, OVER, REOPENS_WITHIN, Kind, State
from drills.domain.roles import IncidentRole
from drills.models import Incident
from drills.services import (
    checklists,
    handovers,
    incidents,
    links,
    opening,
    postmortems,
    runbook_uses,
    tasks,
)
from portal.admin.acts import Act, Basis, Done, ReasonForm, Shown
from portal.domain.roles import May
from portal.models import Actor

Said = dict[str, Any]
_ENDS = (domain.Act.RESOLVE, domain.Act.REVIEW, domain.Act.CLOSE)
HOURS = int(REOPENS_WITHIN.total_seconds() / 3600)


def page_of(incident: Incident) -> str:
    """The address of an incident's page."""
    return reverse("admin:drills_incident_change", args=[incident.pk])


def _follow(incident: Incident, actor: Actor, said: Said) -> Done:
    use = runbook_uses.start_in_incident(
        said["runbook"], incident.pk, by=actor, reason=said["reason"]
    )
    page = reverse("admin:drills_runbookuse_change", args=[use.pk])
    return Done(f"You follow {use.runbook.title!r}.", page)


def _open(_: None, actor: Actor, said: Said) -> Done:
    made = opening.open_by_hand(
        said["rollout"].key,
        said["title"],
        said["severity"],
        by=actor,
        reason=said["reason"],
        kind=Kind(said["kind"]),
        row_key=said["row"].key if said["row"] else "",
        stage_key=said["stage"].key if said["stage"] else "",
        began_at=said["began_at"],
    )
    return Done(f"Incident {made.pk} is open.", page_of(made))


def _move(
    act: domain.Act,
    title: str,
    done: str,
    *effects: str,
    form: type[ReasonForm] = ReasonForm,
    is_dangerous: bool = False,
    at_once: str = "",
) -> Act:
    def perform(incident: Incident, actor: Actor, said: Said) -> str:
        incidents.move(
            incident.pk, act, by=actor, reason=said["reason"], at=said.get("at")
        )
        return done

    return Act(
        name=str(act),
        title=title,
        may=May.WORK_INCIDENT,
        perform=perform,
        form=form,
        hidden=lambda incident, actor: (State(incident.state), act) not in MOVES,
        effects=lambda incident: [
            *effects,
            *(checklists.unfinished(incident) if act in _ENDS else ()),
        ],
        is_dangerous=is_dangerous,
        at_once=at_once,
    )


def _note(incident: Incident, actor: Actor, said: Said) -> str:
    incidents.note(incident.pk, said["reason"], by=actor, reason="noted")
    return "The note stands in the timeline."


def _hand_over(incident: Incident, actor: Actor, said: Said) -> str:
    role, person = IncidentRole(said["role"]), said["person"]
    handovers.hand_over(
        incident.pk, role, person.username, by=actor, reason=said["reason"]
    )
    return f"{person} is {role} now."


def _choose_row(incident: Incident, actor: Actor, said: Said) -> str:
    row = said["row"]
    checklists.choose_row(incident.pk, row.key, by=actor, reason=said["reason"])
    return f"It is {row.symptom!r}; its checklist is there."


def _reclassify(incident: Incident, actor: Actor, said: Said) -> str:
    incidents.reclassify(incident.pk, said["severity"], by=actor, reason=said["reason"])
    return f"It has severity {int(said['severity'])} now."


def _link(incident: Incident, actor: Actor, said: Said) -> str:
    links.link(incident.pk, said["what"], said["name"], by=actor, reason=said["reason"])
    return f"Linked to the {said['what']} {said['name']}."


def _record_step(incident: Incident, actor: Actor, said: Said) -> str:
    checklists.record_step(
        incident.pk,
        said["step"],
        Finding(said["finding"]),
        said["reason"],
        by=actor,
        reason="looked",
    )
    return f"Step {said['step']} is recorded."


def _give_task(incident: Incident, actor: Actor, said: Said) -> str:
    made = tasks.give(
        incident.pk,
        said["title"],
        said["owner"].username,
        said["due_at"],
        by=actor,
        reason=said["reason"],
        is_required=said["is_required"],
    )
    return f"{made.owner} has to do it by {made.due_at:%Y-%m-%d %H:%M} UTC."


def _begin_postmortem(incident: Incident, actor: Actor, said: Said) -> str:
    postmortems.begin(incident.pk, by=actor, reason=said["reason"])
    return "The draft has everything that is known; go on from there."


def _write_postmortem(incident: Incident, actor: Actor, said: Said) -> str:
    known = postmortems.of(incident)
    written = postmortems.write(
        incident.pk,
        said["text"],
        known.revision if known else 0,
        by=actor,
        reason=said["reason"],
    )
    return f"Revision {written.revision} is kept."


def _revision(incident: Incident) -> str:
    known = postmortems.of(incident)
    return str(known.revision) if known else ""


def _written_since(incident: Incident, mark: str) -> Shown:
    return Shown(
        "drills/written_since.html",
        {"postmortem": postmortems.of(incident), "revision": mark},
    )


def _is_over(incident: Incident, actor: Actor) -> bool:
    return incident.state in OVER


def _cannot_write(has_begun: bool) -> Callable[[Incident, Actor], bool]:
    def hidden(incident: Incident, actor: Actor) -> bool:
        if incident.state in OVER:
            return True
        return (postmortems.of(incident) is not None) != has_begun

    return hidden


ACTS = (
    Act(
        name="open",
        title="Open an incident",
        may=May.WORK_INCIDENT,
        perform=_open,
        form=OpenForm,
        is_on_list=True,
        effects=lambda _: [
            "Its timers begin at once; whoever may work on it is told.",
            "A real one of severity 1 or 2 keeps stages from going on.",
        ],
    ),
    _move(
        domain.Act.ACKNOWLEDGE,
        "Acknowledge",
        "You work on it now.",
        "You become its commander, if it has none.",
        "If nothing happens for too long, it falls back to open.",
        at_once="I am on it.",
    ),
    _move(
        domain.Act.MITIGATE,
        "It is safe now",
        "Nobody is harmed any more.",
        "The time to safety ends here: nobody is harmed, though the cause may remain.",
        form=ReachedForm,
    ),
    _move(
        domain.Act.RESOLVE,
        "It is resolved",
        "The cause is gone.",
        "The cause is gone; stages may go on as far as this incident is concerned.",
        f"If it comes back within {HOURS} hours, this incident opens again.",
        form=ReachedForm,
    ),
    _move(
        domain.Act.REVIEW,
        "It is reviewed",
        "It is written down what to learn from it.",
        "An incident of severity 1 or 2 needs a postmortem that a person has written.",
    ),
    _move(
        domain.Act.CLOSE,
        "Close",
        "The incident is closed.",
        "Nothing can be added afterwards; required tasks have to be done before.",
    ),
    _move(
        domain.Act.REOPEN,
        "Reopen",
        "It is open again.",
        "It begins anew: its milestones are taken back, its timers run again.",
        is_dangerous=True,
    ),
    Act(
        name="record_step",
        title="Record a step",
        may=May.WORK_INCIDENT,
        perform=_record_step,
        form=StepForm,
        hidden=lambda incident, actor: _is_over(incident, actor) or not incident.steps,
        effects=lambda incident: ["Recording a step again adds; the newest counts."],
    ),
    Act(
        name="choose_row",
        title="Choose the row of the matrix",
        may=May.WORK_INCIDENT,
        perform=_choose_row,
        form=RowForm,
        hidden=lambda incident, actor: (
            _is_over(incident, actor) or incident.results.exists()
        ),
        effects=lambda incident: [
            "Its checklist is the diagnosis of that row from then on, and what the row "
            "says to do stands on the page."
        ],
    ),
    Act(
        name="note",
        title="Add a note",
        may=May.WORK_INCIDENT,
        perform=_note,
        form=NoteForm,
        hidden=_is_over,
    ),
    Act(
        name="follow_runbook",
        title="Follow a runbook",
        may=May.WORK_INCIDENT,
        perform=_follow,
        form=FollowForm,
        hidden=_is_over,
        effects=lambda incident: ["Its steps are yours to tick off on their own page."],
    ),
    Act(
        name="hand_over",
        title="Hand over",
        may=May.WORK_INCIDENT,
        perform=_hand_over,
        form=HandOverForm,
        hidden=_is_over,
    ),
    Act(
        name="reclassify",
        title="Change the severity",
        may=May.WORK_INCIDENT,
        perform=_reclassify,
        form=SeverityForm,
        hidden=_is_over,
        effects=lambda incident: [
            f"It has severity {incident.severity} now.",
            "The timers go by the new severity from then on.",
        ],
    ),
    Act(
        name="give_task",
        title="Give a task",
        may=May.WORK_INCIDENT,
        perform=_give_task,
        form=TaskForm,
        hidden=_is_over,
    ),
    Act(
        name="link",
        title="Link something",
        may=May.WORK_INCIDENT,
        perform=_link,
        form=LinkForm,
        hidden=_is_over,
    ),
    Act(
        name="begin_postmortem",
        title="Begin the postmortem",
        may=May.WORK_INCIDENT,
        perform=_begin_postmortem,
        hidden=_cannot_write(has_begun=False),
        effects=lambda incident: [
            "A draft is made from the timeline, the checklist, the tasks and what is "
            "linked; you go on from there."
        ],
    ),
    Act(
        name="write_postmortem",
        title="Write the postmortem",
        may=May.WORK_INCIDENT,
        perform=_write_postmortem,
        form=PostmortemForm,
        hidden=_cannot_write(has_begun=True),
        effects=lambda incident: ["Every revision is kept."],
        basis=Basis(mark=_revision, since=_written_since),
    ),
    # Last, as a thumb in a hurry should not find them first.
    _move(
        domain.Act.CANCEL,
        "Cancel: it was none",
        "The incident is cancelled.",
        "It counts in no figure, and nothing can be added afterwards.",
        is_dangerous=True,
    ),
    break_glass.INCIDENT_ACT,
)
