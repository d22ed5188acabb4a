"""What always has to hold, checked from outside: the ten invariants of the design.

Nothing here trusts the acts: each check compares what different tables say, so that a
mistake in an act, or a hand in the database, is found.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.db import connection
from django.db.models import F

from portal.domain.canonical import digest
from portal.domain.verbs import Verb as PortalVerb
from portal.models import Approval, LedgerEntry
from portal.services import ledger, versions
from rollout.domain.changes import ChangeState
from rollout.domain.exposure import Risk
from rollout.domain.runs import FINAL, RunKind
from rollout.domain.stages import MOVES
from rollout.domain.verbs import Verb
from rollout.models import Change, RunDocument
from rollout.services import contents, decisions, vault

MOST_SHOWN = 20
DIGESTS_AT_ONCE = 200

Findings = Iterator[str]


@dataclass(frozen=True, slots=True)
class Invariant:
    """A number and a sentence of the design, and what looks whether it holds."""

    number: int
    statement: str
    check: Callable[[], Findings]


def _rows(sql: str, *parameters: object) -> Iterator[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        yield from cursor.fetchall()


def switched_off_means_off() -> Findings:
    """1: no decision and no advance says yes while the switch is engaged."""
    for (decision,) in _rows(
        """
        SELECT d.id FROM rollout_decision d
        JOIN rollout_snapshot s ON s.id = d.snapshot_id
        WHERE d.workflow = 'option_c'
          AND s.body::jsonb -> 'switch' ->> 'state' = 'engaged'
        """
    ):
        yield f"decision {decision} says option_c on an engaged snapshot"
    for run_id, at in _rows(
        """
        WITH turns AS (
            SELECT rollout_id, state, changed_at,
                   lead(changed_at) OVER (PARTITION BY rollout_id ORDER BY history_id)
                       AS until
            FROM rollout_historicalswitch
        )
        SELECT r.run_id, a.asked_at FROM rollout_advance a
        JOIN rollout_run r ON r.id = a.run_id
        JOIN turns t ON t.rollout_id = r.rollout_id AND t.state = 'engaged'
         AND a.asked_at > t.changed_at AND (t.until IS NULL OR a.asked_at < t.until)
        WHERE a.is_allowed
        """
    ):
        yield f"{run_id} was allowed to go on at {at}, with the switch engaged"


def decisions_come_out_the_same() -> Findings:
    """2: a decision made again is what was recorded."""
    for decision, difference in decisions.replay_all():
        if difference is not None:
            yield f"decision {decision.pk} of {decision.run_id} comes out differently"


def cohorts_stay() -> Findings:
    """3: the salt never changes, so that no coverage ever moves a bucket."""
    for rollout, salts in _rows(
        """
        SELECT r.key, count(DISTINCT s.body::jsonb ->> 'salt')
        FROM rollout_snapshot s JOIN rollout_rollout r ON r.id = s.rollout_id
        GROUP BY r.key HAVING count(DISTINCT s.body::jsonb ->> 'salt') > 1
        """
    ):
        yield f"{rollout} has had {salts} salts"
    for run_id, at, before in _rows(
        """
        SELECT later.run_id, later.bucket, earlier.bucket FROM rollout_decision later
        JOIN rollout_decision earlier ON earlier.rollout_id = later.rollout_id
         AND earlier.unit = later.unit AND earlier.bucket <> later.bucket
        """
    ):
        yield f"the unit of {run_id} was in bucket {before} and is in {at}"


def everything_is_recorded() -> Findings:
    """4: every row is its last version, every version names its act; no line lies."""
    for model in versions.tracked_models():
        yield from versions.silent_changes(model)
        nameless = model.history.filter(history_user=None).values_list("history_id")
        for (version,) in nameless[:MOST_SHOWN]:
            yield f"version {version} of {model._meta.label} names nobody"
    for finding in ledger.verify():
        yield f"ledger entry {finding.seq} is {finding.fault}"


def runs_end_once() -> Findings:
    """5: a final status never changes, and each ending is told once."""
    finals = [str(status) for status in FINAL]
    for run_id, before, after in _rows(
        """
        SELECT run_id, before, status FROM (
            SELECT run_id, status,
                   lag(status) OVER (PARTITION BY id ORDER BY history_id) AS before
            FROM rollout_historicalrun
        ) steps WHERE before = ANY(%s) AND before <> status
        """,
        finals,
    ):
        yield f"{run_id} was {before} and became {after}"
    for run_id, cause in _rows(
        """
        SELECT r.run_id, r.cause FROM rollout_run r
        LEFT JOIN rollout_fallbackoffer f ON f.run_id = r.id AND NOT f.is_adopted
        LEFT JOIN rollout_runtimeout t ON t.run_id = r.id
        WHERE (r.cause = 'hard_gate_failed') <> (f.id IS NOT NULL)
           OR (r.cause = 'timeout') <> (t.id IS NOT NULL)
           OR (r.cause <> '' AND r.finished_at IS NULL)
        """
    ):
        yield f"{run_id} ended by {cause or 'itself'}, and its records say otherwise"
    for subject, verb, count in _rows(
        """
        SELECT subject_name, verb, count(*) FROM portal_ledgerentry
        WHERE verb = ANY(%s) GROUP BY subject_type, subject_id, subject_name, verb
        HAVING count(*) > 1
        """,
        [
            str(Verb.RUN_FELL_BACK),
            str(Verb.FALLBACK_TAKEN),
            str(Verb.RUN_TIMED_OUT),
            str(Verb.RUN_REROUTED),
        ],
    ):
        yield f"{subject}: {verb} {count} times"
    for (run_id,) in _rows(
        """
        SELECT r.run_id FROM rollout_run r
        LEFT JOIN rollout_fallbackoffer f ON f.run_id = r.id
        LEFT JOIN rollout_routing t ON t.offer_id = f.id
        WHERE r.awaits_fallback AND (f.id IS NULL OR t.id IS NOT NULL)
        """
    ):
        yield f"{run_id} waits for an offer to be taken that is not there, or is taken"


def nothing_is_lost() -> Findings:
    """6: every artifact, document and event that was taken in is there, unchanged."""
    for name, verb in _rows(
        """
        SELECT e.subject_name, e.verb FROM portal_ledgerentry e
        LEFT JOIN rollout_artifact a ON a.id::text = e.subject_id
         AND a.digest = e.body::jsonb -> 'details' ->> 'digest'
        WHERE e.verb = %s AND a.id IS NULL
        """,
        str(Verb.ARTIFACT_STORED),
    ):
        yield f"{name}: {verb}, but it is not there"
    for run_id, told, there in _rows(
        """
        SELECT r.run_id, e.told, e.there FROM (
            SELECT l.subject_id, sum((l.body::jsonb -> 'details' ->> 'count')::bigint)
                       AS told,
                   (SELECT count(*) FROM rollout_runevent v
                    WHERE v.run_id::text = l.subject_id) AS there
            FROM portal_ledgerentry l WHERE l.verb = %s GROUP BY l.subject_id
        ) e JOIN rollout_run r ON r.id::text = e.subject_id WHERE e.told <> e.there
        """,
        str(Verb.EVENTS_RECEIVED),
    ):
        yield f"{run_id}: {told} events were taken in, {there} are there"
    documents = RunDocument.objects.values_list("pk", "raw", "digest")
    for pk, raw, known in documents.iterator(chunk_size=200):
        if digest(bytes(raw)) != known:
            yield f"document {pk} is not what its digest says"
    # Only looked at: what is remembered of damage is for `verify_artifacts` to write.
    for digests in contents.all_digests(DIGESTS_AT_ONCE):
        for each in digests:
            if (trouble := vault.check(each)) is not None:
                for artifact in contents.affected_by(each):
                    yield f"{artifact.run.run_id} {artifact.path}: {trouble}"


def two_people_stand_behind() -> Findings:
    """7: whatever exposes was asked by one person and confirmed by another."""
    alone = Approval.objects.filter(
        state="confirmed", requester_person=F("decider_person")
    )
    for approval in alone:
        yield f"{approval} was confirmed by whoever asked for it"
    for verb, act in (
        (Verb.SWITCH_RELEASED, "rollout.switch.release"),
        (Verb.STAGE_STARTED, "rollout.stage.start"),
        (Verb.STAGE_RESUMED, "rollout.stage.resume"),
        (Verb.STAGE_ENABLED, "rollout.stage.enable"),
        (Verb.STAGE_PROMOTED, "rollout.stage.promote"),
    ):
        lines = LedgerEntry.objects.filter(verb=verb)
        # What an approved plan does by itself is in the names of who approved it.
        done = lines.exclude(body__contains='"is_by_plan":true').count()
        confirmed = Approval.objects.filter(act=act, state="confirmed").count()
        if done != confirmed:
            yield f"{verb} {done} times, but confirmed {confirmed} times"
    applied = Change.objects.filter(state=ChangeState.APPLIED)
    for change in applied.exclude(risk=Risk.SAFER).filter(approver_person=None):
        yield f"{change} was applied without approval"
    told = LedgerEntry.objects.filter(verb=Verb.CHANGE_APPLIED).count()
    if told != applied.count():
        yield f"{Verb.CHANGE_APPLIED} {told} times, but {applied.count()} are"


def stages_move_along_their_table() -> Findings:
    """8: no stage ever went a way that is not in the table."""
    allowed = {(str(before), str(after)) for (before, _), after in MOVES.items()}
    for key, before, after in _rows(
        """
        SELECT key, before, state FROM (
            SELECT key, state, lag(state) OVER (PARTITION BY id ORDER BY history_id)
                AS before FROM rollout_historicalstage
        ) steps WHERE before IS NOT NULL AND before <> state
        """
    ):
        if (before, after) not in allowed:
            yield f"stage {key} went from {before} to {after}"


def jobs_take_effect_once() -> Findings:
    """9: what jobs do is there once; a job that is done has an end."""
    for table, verb in (
        ("rollout_fallbackoffer WHERE NOT is_adopted", Verb.RUN_FELL_BACK),
        ("rollout_routing", Verb.FALLBACK_TAKEN),
        ("rollout_runtimeout", Verb.RUN_TIMED_OUT),
        ("rollout_rollback", Verb.STAGE_ROLLED_BACK),
        ("rollout_triggerfiring", Verb.TRIGGER_FIRED),
    ):
        ((there,),) = _rows(f"SELECT count(*) FROM {table}")
        told = LedgerEntry.objects.filter(verb=verb).count()
        if there != told:
            yield f"{verb} {told} times, but {there} are there"
    for firing, subject in _rows(
        """
        SELECT f.id, f.subject FROM rollout_triggerfiring f
        LEFT JOIN rollout_rollback r ON r.attempt_id = f.attempt_id
        WHERE f.action = 'roll_back' AND f.outcome = 'done' AND r.id IS NULL
        """
    ):
        yield f"firing {firing} about {subject} rolled back what was not rolled back"
    for job, state in _rows(
        """
        SELECT id, state FROM portal_job
        WHERE (state IN ('done', 'dead')) <> (finished_at IS NOT NULL)
        """
    ):
        yield f"job {job} is {state}, and its end says otherwise"
    for (run_id,) in _rows(
        """
        SELECT r.run_id FROM rollout_run r
        WHERE r.finished_at IS NULL AND r.kind <> %s
          AND r.times_out_at IS NULL AND r.time_left IS NULL
        """,
        str(RunKind.IMPORTED),
    ):
        yield f"{run_id} is open and nobody watches it"


def nothing_expires_towards_exposure() -> Findings:
    """10: no request was confirmed after it had expired."""
    late = Approval.objects.filter(state="confirmed", decided_at__gt=F("expires_at"))
    for approval in late:
        yield f"{approval} was confirmed after it had expired"
    expired = LedgerEntry.objects.filter(verb=PortalVerb.APPROVAL_EXPIRED)
    ids = list(expired.values_list("subject_id", flat=True))
    for approval in Approval.objects.filter(pk__in=ids, state="confirmed"):
        yield f"{approval} had expired and was confirmed all the same"


INVARIANTS = (
    Invariant(1, "Engaged means off: no yes is given.", switched_off_means_off),
    Invariant(
        2, "A decision made again is what was recorded.", decisions_come_out_the_same
    ),
    Invariant(3, "Widening, pausing and resuming keep the cohort.", cohorts_stay),
    Invariant(4, "No change without history and ledger.", everything_is_recorded),
    Invariant(5, "Every run ends once.", runs_end_once),
    Invariant(6, "What was taken in is there, byte for byte.", nothing_is_lost),
    Invariant(7, "Exposure takes two people.", two_people_stand_behind),
    Invariant(8, "Stages move along their table.", stages_move_along_their_table),
    Invariant(9, "Every job takes effect once.", jobs_take_effect_once),
    Invariant(
        10, "Nothing expires towards exposure.", nothing_expires_towards_exposure
    ),
)
