"""A rollout about which there is one of everything, each field saying its own."""

from datetime import UTC, date, datetime, timedelta
from itertools import count, cycle
from typing import Any

from django.db import models

from drills.domain.incidents import State
from drills.domain.scenarios import Scenario
from drills.models import (
    BreakGlass,
    Drill,
    DrillCapture,
    DrillLever,
    DrillNote,
    DrillSchedule,
    DrillStep,
    Incident,
    IncidentLink,
    IncidentTask,
    IncidentTimer,
    MatrixRow,
    OperatorRunbook,
    Postmortem,
    RunbookTick,
    RunbookUse,
    StepResult,
    TimelineEntry,
    VerificationResult,
    VerificationRun,
    VerificationVerdict,
)
from portal import clock
from portal.models import Actor
from portal.models.tracked import Tracked
from rollout.models import (
    Attempt,
    Evaluation,
    FailureReview,
    Flag,
    Freeze,
    OnCall,
    Reconciliation,
    Rollback,
    Rollout,
    Rule,
    Segment,
    Snapshot,
    Stage,
    Switch,
    Trigger,
    TriggerFiring,
)
from tests.builders import an_actor
from tests.drills.builders import a_run, an_incident, in_state
from tests.rollout.builders import a_running_stage, a_service

_numbers = count(4001)
STEPS = [
    {
        **{"number": 1, "kind": "check", "section": "partword"},
        **{"text": "firstword", "wait_s": None},
    },
    {
        **{"number": 2, "kind": "wait", "section": "partword"},
        **{"text": "secondword", "wait_s": 9177},
    },
]


def _value(field: models.Field, by: Actor) -> Any:
    """Something that stands nowhere else, as far as the field can say it."""
    number = next(_numbers)
    if field.choices:
        return field.choices[number % len(field.choices)][0]
    if isinstance(field, models.ForeignKey):
        return by if field.related_model is Actor else by.person
    made = {
        models.BooleanField: lambda: True,
        models.DateTimeField: lambda: (
            datetime(2031, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
        ),
        models.DateField: lambda: date(2031, 1, 1) + timedelta(days=number),
        models.JSONField: lambda: [f"word{number}"],
        models.DecimalField: lambda: number / 1000,
        models.FloatField: lambda: number + 0.5,
        models.UUIDField: lambda: f"01890000-0000-7000-8000-00000000{number}",
        models.BinaryField: lambda: b"x",
        models.CharField: lambda: f"word{number}"[: field.max_length or None],
        models.TextField: lambda: f"word{number}",
        models.IntegerField: lambda: number,
    }
    return next(make() for kind, make in made.items() if isinstance(field, kind))


def filled(model: type[models.Model], *actors: Actor, **given: Any) -> Any:
    """A row with something in every field, `given` where that has to fit.

    Whoever it names is another one of these actors each time.
    """
    people = cycle(actors)
    said = {
        field.name: _value(field, next(people) if field.is_relation else actors[0])
        for field in model._meta.concrete_fields
        if not field.primary_key and field.name not in given
    }
    row = model(**said, **given)
    if isinstance(row, Tracked):
        row.save_as(actors[0], reason="test")
    else:
        row.save()
    return row


def everything() -> list[models.Model]:
    """One of each source, saved; all of it is about one rollout."""
    stage = a_running_stage()
    rollout = stage.rollout
    people = [an_actor("operator") for _ in range(5)]
    other = Stage.objects.get(rollout=rollout, position=1)
    attempt, run = Attempt.objects.get(stage=stage), a_run()
    now = clock.now()
    made: list[models.Model] = [
        rollout,
        stage,
        Switch.objects.get(rollout=rollout),
        Snapshot.objects.filter(rollout=rollout).latest("revision"),
        attempt,
    ]

    def one(model: type[models.Model], **given: Any) -> Any:
        row = filled(model, *people, **given)
        made.append(row)
        return row

    one(Attempt, stage=other)
    is_live = {"rollout": rollout, "is_live": True}
    flag = one(Flag, **is_live)
    one(Rule, flag=flag, percentage="12.34", is_live=True)
    one(Segment, **is_live)
    trigger = one(Trigger, **is_live)
    one(OnCall, rollout=rollout)
    one(Freeze, rollout=rollout, expires_at=datetime(2041, 1, 1, tzinfo=UTC))
    evaluation = one(Evaluation, stage=stage, attempt=attempt)
    one(
        TriggerFiring,
        **{"trigger": trigger, "stage": stage, "attempt": attempt, "run": run},
        evaluation=evaluation,
        action="switch_off",  # a word that nothing else here says
    )
    rollback = one(
        Rollback,
        **{"rollout": rollout, "stage": stage, "attempt": attempt, "to_stage": other},
        **{"evaluation": evaluation, "snapshot": made[3]},
    )
    one(Reconciliation, rollback=rollback)
    one(FailureReview, run=run, gate="B")

    row = one(MatrixRow, is_live=True, matches=[{"sign": "signword", "gate": "D"}])
    runbook = one(
        OperatorRunbook,
        **{"is_live": True, "rows": [row.key], "scenarios": ["forced_timeout"]},
        body="Aboutword.\n\n## Partword\n\n1. **Check:** checkword\n",
    )
    _verifications(one, rollout)
    _drills(one, stage, runbook, an_actor("engineer"))
    cancelled = in_state(an_incident(), State.CANCELLED)
    made.append(cancelled)
    incident = one(
        Incident,
        **{"rollout": rollout, "stage": stage, "row": row, "gate": "C"},
        **{"kind": "real", "state": "closed", "is_over": True, "severity": 2},
        **{name: now + timedelta(hours=n) for n, name in enumerate(MILESTONES)},
        **{"cancelled_at": None, "steps": ["lookword"], "previous": cancelled},
    )
    later = {"incident": incident}
    one(StepResult, **later)
    due = {"since": now, "due_at": now + timedelta(minutes=7), "rings_at": None}
    one(IncidentTimer, **later, **due)
    one(IncidentTask, **later, state="done")
    review = one(IncidentTask, **later, state="open", ended_at=None, title="Look at it")
    one(
        BreakGlass,
        **{"rollout": rollout, "task": review, "begun_at": now},
        **{"expires_at": now + timedelta(hours=1), "precautions": ["incidents"]},
        **later,
    )
    one(IncidentLink, **later)
    one(TimelineEntry, **later)
    one(Postmortem, **later)
    use = one(RunbookUse, runbook=runbook, **later, drill=None, steps=STEPS)
    one(RunbookTick, use=use)
    return made


MILESTONES = (
    *("opened_at", "acknowledged_at", "mitigated_at", "resolved_at", "reviewed_at"),
    "closed_at",
)


def _verifications(one: Any, rollout: Rollout) -> None:
    run = one(VerificationRun, rollout=rollout)
    one(
        VerificationVerdict,
        run=run,
        suite=[{"name": "suiteword", "argv": ["argvword"]}],
    )
    one(VerificationResult, run=run)


def _drills(one: Any, stage: Stage, runbook: OperatorRunbook, conductor: Actor) -> None:
    twin = filled(
        Rollout, conductor, key="twinword", kind="drill", fallback_workflow="f"
    )
    steps = [
        {
            **{"name": "planword", "phase": "method", "does": "doesword"},
            **{"expects": "expectsword", "target_s": 77.5},
        }
    ]
    drill = one(
        Drill,
        **{"rollout": stage.rollout, "stage": stage, "plan": steps, "twin": twin},
        **{
            "state": "passed",
            "scenario": Scenario.HARD_GATE_FALLBACK,
            "token": a_service()[0].token,
        },
        conductor=conductor,
    )
    one(DrillStep, drill=drill)
    one(DrillCapture, drill=drill)
    one(DrillNote, drill=drill, item="expected")
    one(DrillSchedule, rollout=stage.rollout, every_days=33)
    one(DrillLever, pk=1)
    one(RunbookUse, runbook=runbook, drill=drill, incident=None, steps=STEPS)
