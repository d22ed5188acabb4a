"""The rollout playbook: what is rolled out, in which steps, and how it goes back."""

from collections.abc import Iterable
from typing import Any

from drills.services.telling import cell, facts, newest, table
from portal.domain.markdown import bullets, code, inline, join, moment, numbered, said
from portal.domain.markdown import facts as pairs
from portal.domain.markdown import table as cells
from rollout.models import (
    Attempt,
    Flag,
    Freeze,
    OnCall,
    Rollout,
    Segment,
    Snapshot,
    Stage,
    Switch,
    Trigger,
)

ALWAYS_ON_ROLLBACK = (
    "Changes are frozen.",
    "The stage stops letting in, and its open runs are told to stop.",
    "Artifacts are kept, and a reconciliation proves that they are all there.",
    "The affected requests go to the standard workflow.",
)
SWITCHING_OFF = (
    "One person, one click: *Engage the switch* in the portal.",
    "Over the API: `POST /api/v1/switch/engage`, with a token of the scope `kill`.",
    "On the portal's host: `manage.py engage_switch ROLLOUT --reason WHY`; without the "
    "database it writes the kill file, which the edges on that host obey.",
    "Releasing it takes two people, one of them with the password.",
)


def write(rollout: Rollout, *, most: int) -> str:
    """The body of the playbook."""
    stages = list(Stage.objects.filter(rollout=rollout).order_by("position"))
    return join(
        _what(rollout),
        _switch(rollout),
        _flags(rollout),
        "## Stages",
        *(_stage(stage, most) for stage in stages),
        _going_on(),
        _triggers(rollout),
        "## Going back\n\nOn every rollback, always:",
        numbered(ALWAYS_ON_ROLLBACK),
        "## Falling back",
        f"A run whose hard gate has failed for good, its retries spent, is offered the "
        f"workflow {code(rollout.fallback_workflow)} once. Its artifacts stay, with "
        "`logs/fallback-summary.md`, which has the same bytes for the same failure.",
        _people(rollout, most),
    )


def _what(rollout: Rollout) -> str:
    newest_one = (
        Snapshot.objects.filter(rollout=rollout)
        .select_related("created_by")
        .order_by("-revision")
        .first()
    )
    names = ("key", "name", "description", "kind", "fallback_workflow", "salt")
    parts = ["## What is rolled out", facts(rollout, *names)]
    if newest_one is not None:
        what = ("revision", "epoch", "digest", "reason", "created_by", "created_at")
        parts += ["### Snapshot that decides", facts(newest_one, *what)]
    return join(*parts)


def _switch(rollout: Rollout) -> str:
    switch = Switch.objects.select_related("changed_by").get(rollout=rollout)
    names = ("state", "epoch", "changed_by", "changed_at", "reason")
    return join(
        "## Switch",
        facts(switch, *names),
        "Turning Option C off:",
        bullets(SWITCHING_OFF),
    )


FLAG = (
    *("type", "default", "minimum", "maximum", "options", "is_nullable"),
    *("prerequisites", "owner", "expires_on", "position", "description"),
)
RULE = ("position", "description", "conditions", "percentage", "value", "variants")


def _flags(rollout: Rollout) -> str:
    flags = Flag.objects.filter(rollout=rollout, is_live=True).prefetch_related("rules")
    segments = Segment.objects.filter(rollout=rollout, is_live=True)
    return join(
        "## Flags",
        *(_flag(each) for each in flags.order_by("position", "key")),
        "## Segments",
        table(segments.order_by("key"), "key", "description", "conditions"),
    )


def _flag(flag: Flag) -> str:
    rules = [each for each in flag.rules.all() if each.is_live]
    parts = [f"### {code(flag.key)}", facts(flag, *FLAG)]
    if rules:
        ordered = sorted(rules, key=lambda each: each.position)
        parts += ["Rules, the first that matches:", table(ordered, *RULE)]
    return join(*parts)


ATTEMPT = ("number", "started_at", "ended_at", "fingerprint")


def _stage(stage: Stage, most: int) -> str:
    names = ("key", "state", "is_admitting", "coverage")
    attempts, cut = newest(Attempt.objects.filter(stage=stage), most)
    return join(
        f"### Stage {stage.position}: {inline(stage.name)}",
        facts(stage, *names),
        f"#### Plan of stage {stage.position}",
        pairs(_plan(stage.plan)),
        f"#### Attempts of stage {stage.position}",
        table(attempts, *ATTEMPT),
        cut,
    )


def _plan(plan: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """Every field of a plan, also those that say nothing."""
    for name, value in plan.items():
        if isinstance(value, list):
            yield name.replace("_", " "), ", ".join(map(said, value)) or "-"
        elif isinstance(value, dict):
            each = (f"{code(key)} {said(item)}" for key, item in sorted(value.items()))
            yield name.replace("_", " "), ", ".join(each) or "-"
        else:
            yield name.replace("_", " "), said(value)


def _going_on() -> str:
    return join(
        "## Going on",
        "A stage is left for the next one when its evidence shows the plan's bar, and "
        "with it:",
        bullets(
            (
                "every verification check is green;",
                "no hard-gate failure of the attempt is unreviewed;",
                "all four drills count for the stage;",
                "no incident of severity 1 or 2 is open;",
                "somebody has confirmed to be on call;",
                "nothing is frozen.",
            )
        ),
        "One person asks for it, another one confirms it with the password. All of it "
        "is looked at once more when it is applied.",
    )


TRIGGER = (
    *("key", "kind", "action", "threshold", "at_least", "window_s", "cooldown_s"),
    *("is_dry_run", "description"),
)


def _triggers(rollout: Rollout) -> str:
    rows = Trigger.objects.filter(rollout=rollout, is_live=True).order_by("key")
    return join("## Triggers", table(rows, *TRIGGER))


FREEZE = (
    "scope",
    "reason",
    "owner",
    "begun_at",
    "expires_at",
    "lifted_at",
    "lifted_by",
)


def _people(rollout: Rollout, most: int) -> str:
    confirmations = OnCall.objects.filter(rollout=rollout)
    on_call, cut = newest(confirmations.select_related("person", "confirmed_by"), most)
    frozen = Freeze.objects.filter(rollout=rollout)
    freezes, cut_too = newest(frozen.select_related("owner", "lifted_by"), most)
    rows = (
        [
            cell(each, "person"),
            cell(each, "confirmed_by"),
            moment(each.confirmed_at),
            moment(each.until),
        ]
        for each in on_call
    )
    return join(
        "## On call",
        cells(["person", "confirmed by", "confirmed at", "until"], rows),
        cut,
        "## Freezes",
        table(freezes, *FREEZE),
        cut_too,
    )
