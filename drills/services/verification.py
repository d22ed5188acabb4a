"""Verification runs: asked for by a person, carried out by the drills worker."""

import platform
import shlex
import socket
from datetime import timedelta
from hashlib import sha256
from importlib import metadata

from django.conf import settings
from django.db import transaction

from drills.domain import verification as domain
from drills.domain.verbs import Verb
from drills.domain.verification import Check as SuiteCheck
from drills.domain.verification import Outcome, Suite
from drills.models import (
    VerificationHost,
    VerificationResult,
    VerificationRun,
    VerificationVerdict,
)
from drills.services import boxes, sandbox
from portal import clock
from portal.domain.redaction import redact
from portal.domain.roles import May
from portal.errors import NotFound, Refusal, WrongMoment
from portal.models import Actor
from portal.services import actors, heartbeats
from portal.services.access import require
from portal.services.jobs import enqueue, held
from portal.services.ledger import record
from portal.services.reading import read_once
from rollout.models import Rollout
from rollout.services import rollouts, triggers

CARRY_OUT_JOB = "drills.jobs.carry_out_verification"
LOOK_JOB = "drills.jobs.look_at_verification_file"
EVERY = timedelta(seconds=60)
NAME = "verification files"
TOOLS = ("django", "pytest", "pytest-django")
# Control characters as pictures of them; what turns the direction of text is replaced.
_SHOWN = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"},
    0x7F: 0x2421,
    **dict.fromkeys((*range(0x80, 0xA0), *range(0x202A, 0x202F)), 0xFFFD),
    **dict.fromkeys(range(0x2066, 0x206A), 0xFFFD),
}


@transaction.atomic
def start(rollout_key: str, *, by: Actor, reason: str) -> VerificationRun:
    """Ask for every check of the suite to be carried out.

    Raises `WrongMoment` (VERIFICATION_RUNNING) while another one goes on.
    """
    require(by, May.RUN_VERIFICATION, rollout=rollout_key)
    rollout = rollouts.locked(rollouts.find(rollout_key).pk)
    running = VerificationRun.objects.filter(rollout=rollout, verdict=None).first()
    if running is not None:
        raise WrongMoment(
            f"Verification {running.pk} is running; there is one at a time.",
            code="VERIFICATION_RUNNING",
            running=running.pk,
            possible=[],
        )
    run = VerificationRun(
        rollout=rollout, reason=reason, asked_at=clock.now(), asked_by=by
    )
    run.save()
    enqueue(CARRY_OUT_JOB, run_id=run.pk)
    record(Verb.VERIFICATION_STARTED, run, by=by, reason=reason)
    return run


def carry_out(run_id: int) -> None:
    """The part of the worker: one check after the other, each a step of its own.

    A run whose worker died goes on with the checks that have no result yet.
    """
    run = VerificationRun.objects.select_related("rollout").get(pk=run_id)
    by, reason = actors.system(), "Asked for; carried out by a worker."
    try:
        suite = suite_here()
    except Refusal as refusal:
        with held():
            conclude(run_id, None, by=by, reason=reason, says=str(refusal))
        return
    known = set(run.results.values_list("name", flat=True))
    for check in suite.checks:
        if check.name not in known:
            result = _result_of(run, check, suite)
            with held():
                note(result, by=by, reason=reason)
    with held():
        conclude(run_id, suite, by=by, reason=reason)


@transaction.atomic
def note(result: VerificationResult, *, by: Actor, reason: str) -> None:
    """Keep how one check ended."""
    require(by, May.RUN_VERIFICATION)
    result.save()
    record(
        Verb.VERIFICATION_CHECKED,
        result,
        by=by,
        reason=reason,
        run=result.run_id,
        outcome=result.outcome,
        exit_code=result.exit_code,
        transcript=result.transcript_digest,
        suite=result.suite_digest,
        sandbox=result.sandbox,
    )


@transaction.atomic
def conclude(
    run_id: int, suite: Suite | None, *, by: Actor, reason: str, says: str = ""
) -> VerificationVerdict:
    """Judge a run; one that failed has the triggers of the rollout considered."""
    require(by, May.RUN_VERIFICATION)
    run = VerificationRun.objects.select_related("rollout").get(pk=run_id)
    known = VerificationVerdict.objects.filter(run=run).first()
    if known is not None:
        return known
    results = list(run.results.all())
    says = says or _sentence(results, suite)
    verdict = VerificationVerdict(
        run=run,
        has_passed=not says,
        says=says or f"All {len(results)} checks passed.",
        suite=[check.to_json() for check in suite.checks] if suite else [],
        suite_digest=suite.digest if suite else "",
        host=socket.gethostname(),
        finished_at=clock.now(),
    )
    verdict.save()
    record(
        Verb.VERIFICATION_PASSED if verdict.has_passed else Verb.VERIFICATION_FAILED,
        verdict,
        by=by,
        reason=reason,
        says=verdict.says,
        suite=verdict.suite_digest,
        results={each.name: each.outcome for each in results},
    )
    if not verdict.has_passed:
        triggers.consider_verification(
            run.rollout.key, str(run.pk), verdict.says, by=by, reason=reason
        )
    return verdict


def suite_here() -> Suite:
    """The suite in the file on this host; `Invalid` or `NotFound` say why not."""
    path = settings.VERIFICATION_FILE
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise NotFound(
            f"The verification file cannot be read: {error.strerror} ({path}).",
            code="SUITE_MISSING",
        ) from error
    return domain.read(raw, programs=settings.VERIFICATION_PROGRAMS)


def ask_to_look() -> None:
    """Have a drills worker look at its file now and then."""
    enqueue(LOOK_JOB, once=LOOK_JOB)
    heartbeats.beat(NAME)


def look_at_file() -> VerificationHost:
    """Note what this host could carry out, or why it could not."""
    suite, error = None, ""
    try:
        suite = suite_here()
    except Refusal as refusal:
        error = str(refusal)
    found = boxes.available()
    if not error and found == boxes.UNSANDBOXED and not settings.ALLOW_UNSANDBOXED:
        error = "This host has no bubblewrap, and may not do without."
    host, _ = VerificationHost.objects.update_or_create(
        name=socket.gethostname(),
        defaults={
            "digest": suite.digest if suite else "",
            "checks": [check.to_json() for check in suite.checks] if suite else [],
            "error": error,
            "sandbox": found,
            "looked_at": clock.now(),
        },
    )
    return host


@read_once
def newest(rollout: Rollout) -> VerificationRun | None:
    """The last run of a rollout that has ended."""
    return (
        VerificationRun.objects.filter(rollout=rollout)
        .exclude(verdict=None)
        .select_related("verdict")
        .order_by("-pk")
        .first()
    )


@read_once
def has_changed_since(run: VerificationRun) -> bool:
    """Whether the hosts have another suite now than the one that this run carried out.

    What a host said last counts; one that was not heard of since has nothing to say.
    """
    newest = VerificationHost.objects.order_by("-looked_at").first()
    return newest is not None and newest.digest != run.verdict.suite_digest


def _result_of(
    run: VerificationRun, check: SuiteCheck, suite: Suite
) -> VerificationResult:
    """Carry out the command of one check; the result is not kept yet."""
    started_at = clock.now()
    result = VerificationResult(
        run=run,
        name=check.name,
        suite_digest=suite.digest,
        started_at=started_at,
        duration_s=0.0,
        output_size=0,
        tools=_tools(),
        sandbox=boxes.available(),
        outcome=Outcome.NOT_STARTED,
    )
    try:
        with boxes.scratch() as scratch:
            command = check.command(**boxes.places(scratch))
            ran = sandbox.run(
                command,
                scratch=scratch,
                environment=check.environment,
                timeout_s=check.timeout_s,
                needs_network=check.needs_network,
            )
    except Refusal as refusal:
        said = str(refusal)
    else:
        said = f"$ {shlex.join(command)}\n" + _text(ran.output)
        result.exit_code = ran.exit_code
        result.duration_s = round(ran.duration_s, 3)
        result.output_size = ran.output_size
        result.outlived = ran.killed
        if ran.is_timed_out:
            result.outcome = Outcome.TIMED_OUT
        elif ran.exit_code == check.expected_exit:
            result.outcome = Outcome.PASSED
        else:
            result.outcome = Outcome.FAILED
    result.transcript = redact(said)
    digest = sha256(result.transcript.encode()).hexdigest()
    result.transcript_digest = f"sha256:{digest}"
    return result


def _sentence(results: list[VerificationResult], suite: Suite | None) -> str:
    """What stands against a run; nothing when all is well."""
    outcomes = {each.name: each for each in results}
    if any(each.suite_digest != suite.digest for each in results):
        return "The verification file changed while the run went on."
    for check in suite.checks:
        found = outcomes.get(check.name)
        if found is None or found.outcome != Outcome.PASSED:
            ended = found.outcome.replace("_", " ") if found else "has no result"
            code = found.exit_code if found else None
            exited = f" (exit {code})" if code is not None else ""
            return f"{check.title}: {ended}{exited}."
    return ""


def _text(output: bytes) -> str:
    """What can be stored and shown of it, and steers no terminal."""
    return output.decode(errors="replace").replace("\r\n", "\n").translate(_SHOWN)


def _tools() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in TOOLS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
