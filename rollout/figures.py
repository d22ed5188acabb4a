"""What `/metrics` reads of rollouts and runs; drills' twins are left out."""

from datetime import timedelta

from django.db.models import OuterRef, Subquery
from django.db.models.functions import Now

from portal import clock
from portal.figures import MOST_COUNTED, asked
from portal.services.metrics import Rows, figure
from rollout.domain.directives import DirectiveState, Proof
from rollout.domain.scanning import Verdict
from rollout.models import (
    OPEN_STATES,
    Agent,
    Content,
    Directive,
    PendingScan,
    Rollout,
    RolloutKind,
    Run,
    Snapshot,
    Stage,
    Switch,
    Trigger,
    TriggerFiring,
    VaultUse,
)
from rollout.services import vault

FIRINGS_OF = timedelta(hours=1)
_IS_LIVE = {"rollout__kind": RolloutKind.LIVE}


def _switches(field: str) -> list[tuple]:
    return Switch.objects.filter(**_IS_LIVE).values_list("rollout__key", field)


@figure("portal_switch_engaged", "1 while Option C is off everywhere.", "rollout")
def switch_engaged() -> Rows:
    return [((key,), state == "engaged") for key, state in _switches("state")]


@figure(
    "portal_agent_silence_seconds",
    "Seconds since an agent beside an installation last reported itself.",
    "rollout",
    "agent",
)
def agent_silence() -> Rows:
    now = clock.now()
    found = Agent.objects.filter(rollout__kind=RolloutKind.LIVE)
    return [
        ((key, name), (now - seen_at).total_seconds())
        for key, name, seen_at in found.values_list("rollout__key", "name", "seen_at")
    ]


@figure("portal_switch_epoch", "The switch's epoch: rises with every turn.", "rollout")
def switch_epoch() -> Rows:
    return [((key,), epoch) for key, epoch in _switches("epoch")]


def _snapshots(field: str) -> list[tuple]:
    newest = Snapshot.objects.filter(rollout=OuterRef("pk")).order_by("-revision")
    live = Rollout.objects.filter(kind=RolloutKind.LIVE)
    found = live.annotate(newest=Subquery(newest.values(field)[:1]))
    return found.exclude(newest=None).values_list("key", "newest")


@figure("portal_snapshot_revision", "The revision that decides now.", "rollout")
def snapshot_revision() -> Rows:
    return [((key,), revision) for key, revision in _snapshots("revision")]


@figure(
    "portal_snapshot_age_seconds",
    "How long that revision has been deciding.",
    "rollout",
)
def snapshot_age() -> Rows:
    now = clock.now()
    return [
        ((key,), (now - at).total_seconds()) for key, at in _snapshots("created_at")
    ]


@figure(
    "portal_stage_coverage_ratio",
    "The open stage and its coverage, from 0 to 1; 0 while it admits nobody.",
    "rollout",
    "stage",
)
def coverage() -> Rows:
    opened = Stage.objects.filter(state__in=OPEN_STATES, **_IS_LIVE)
    return [
        ((key, stage), float(coverage) / 100 if is_admitting else 0)
        for key, stage, coverage, is_admitting in opened.values_list(
            "rollout__key", "key", "coverage", "is_admitting"
        )
    ]


@figure(
    "portal_trigger_firings",
    f"Firings of each trigger within the last hour, by what came of them; "
    f"{MOST_COUNTED} of a trigger are counted at most.",
    "rollout",
    "trigger",
    "outcome",
)
def trigger_firings() -> Rows:
    found = asked(
        """
        SELECT rollout.key, trigger.key, firing.outcome, count(*)
        FROM rollout_trigger trigger
        JOIN rollout_rollout rollout ON rollout.id = trigger.rollout_id
        CROSS JOIN LATERAL (
            SELECT outcome FROM rollout_triggerfiring
            WHERE trigger_id = trigger.id AND at > %s ORDER BY at DESC LIMIT %s
        ) firing
        WHERE rollout.kind = %s GROUP BY rollout.key, trigger.key, firing.outcome
        """,
        clock.now() - FIRINGS_OF,
        MOST_COUNTED,
        RolloutKind.LIVE,
    )
    return [((key, trigger, outcome), count) for key, trigger, outcome, count in found]


@figure(
    "portal_trigger_fired_timestamp_seconds",
    "When each trigger last fired, whatever came of it.",
    "rollout",
    "trigger",
)
def trigger_fired() -> Rows:
    last = TriggerFiring.objects.filter(trigger=OuterRef("pk")).order_by("-at")
    fired = Trigger.objects.filter(**_IS_LIVE).annotate(
        at=Subquery(last.values("at")[:1])
    )
    return [
        ((key, trigger), at.timestamp())
        for key, trigger, at in fired.exclude(at=None).values_list(
            "rollout__key", "key", "at"
        )
    ]


@figure(
    "portal_runs_open",
    f"Runs that have not ended; {MOST_COUNTED} of them are counted at most.",
    "rollout",
    "status",
)
def open_runs() -> Rows:
    found = asked(
        """
        SELECT rollout.key, run.status, count(*) FROM (
            SELECT rollout_id, status FROM rollout_run
            WHERE finished_at IS NULL LIMIT %s
        ) run JOIN rollout_rollout rollout ON rollout.id = run.rollout_id
        WHERE rollout.kind = %s GROUP BY rollout.key, run.status
        """,
        MOST_COUNTED,
        RolloutKind.LIVE,
    )
    return [((key, status), count) for key, status, count in found]


@figure(
    "portal_runs_overdue", "Runs whose time is up and that the watchdog has to end."
)
def overdue_runs() -> Rows:
    overdue = Run.objects.filter(times_out_at__lte=Now())
    return [((), overdue[:MOST_COUNTED].count())]


@figure(
    "portal_fallbacks_not_taken",
    "Runs with a fallback offer that nobody has taken yet.",
    "rollout",
)
def fallbacks_not_taken() -> Rows:
    found = asked(
        """
        SELECT rollout.key, count(*) FROM (
            SELECT rollout_id FROM rollout_run WHERE awaits_fallback LIMIT %s
        ) run JOIN rollout_rollout rollout ON rollout.id = run.rollout_id
        WHERE rollout.kind = %s GROUP BY rollout.key
        """,
        MOST_COUNTED,
        RolloutKind.LIVE,
    )
    return [((key,), count) for key, count in found]


@figure(
    "portal_directives_contradicted",
    "Acknowledged directives of open runs whose manifest says otherwise.",
)
def contradicted_directives() -> Rows:
    found = Directive.objects.filter(
        proof=Proof.CONTRADICTED, run__finished_at=None
    ).order_by("-id")
    return [((), found[:MOST_COUNTED].count())]


@figure("portal_directives_overdue", "Directives that no run acknowledged in time.")
def overdue_directives() -> Rows:
    issued = Directive.objects.filter(state=DirectiveState.ISSUED, due_at__lt=Now())
    return [((), issued[:MOST_COUNTED].count())]


@figure(
    "portal_artifacts_free_bytes",
    "Free space where artifacts are kept; nothing is said of a bucket.",
)
def free_space() -> Rows:
    free = vault.free_bytes()
    return [] if free is None else [((), free)]


@figure(
    "portal_artifacts_used_bytes",
    "How much a rollout's artifacts are, every version counted.",
    "rollout",
)
def used_space() -> Rows:
    found = VaultUse.objects.filter(**_IS_LIVE).values_list("rollout__key", "bytes")
    return [((key,), used) for key, used in found]


@figure(
    "portal_artifacts_damaged",
    f"Contents of the vault that were found missing or damaged, up to {MOST_COUNTED}.",
)
def damaged() -> Rows:
    return [((), len(Content.objects.exclude(trouble="")[:MOST_COUNTED]))]


@figure(
    "portal_artifacts_oldest_check_seconds",
    "How long ago the content was read that was not read for the longest.",
)
def oldest_check() -> Rows:
    oldest = Content.objects.order_by("checked_at").first()
    age = clock.now() - oldest.checked_at if oldest else None
    return [((), age.total_seconds() if age else 0)]


@figure(
    "portal_scans",
    f"Scans of contents by what was found; {MOST_COUNTED} of each are counted at most.",
    "verdict",
)
def scans_by_verdict() -> Rows:
    found = asked(
        """
        SELECT known.verdict, (SELECT count(*) FROM (
            SELECT 1 FROM rollout_scan scan WHERE scan.verdict = known.verdict LIMIT %s
        ) counted) FROM unnest(%s::text[]) AS known (verdict)
        """,
        MOST_COUNTED,
        [str(each) for each in Verdict],
    )
    return [((verdict,), count) for verdict, count in found]


@figure("portal_scans_waiting", "Contents that wait for their scan.")
def waiting_scans() -> Rows:
    return [((), PendingScan.objects.all()[:MOST_COUNTED].count())]
