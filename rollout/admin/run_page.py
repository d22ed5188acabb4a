"""What the page of a run shows: its story first, then whatever somebody may look up."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from portal import clock
from portal.domain.redaction import redact
from rollout.admin.artifacts import address_of
from rollout.admin.scans import badge
from rollout.domain import stories
from rollout.domain.directives import DirectiveState, Proof
from rollout.domain.gates import NAMES, bounds_of
from rollout.domain.runs import RunKind, RunStatus
from rollout.domain.scanning import Verdict
from rollout.models import (
    Advance,
    Artifact,
    Directive,
    DocumentKind,
    FallbackOffer,
    Run,
    RunDocument,
    RunTimeout,
)
from rollout.services import decisions, explanations, runs, scans
from rollout.services.scans import Standing

MOST_ARTIFACTS = 300  # versions
MOST_DOCUMENTS = 50
MOST_DIRECTIVES = 20
MOST_ADVANCES = 100
MOST_METRICS = 12
WORTH_SHOWING = timedelta(seconds=30)  # decision 20
MARKS = {
    RunStatus.CREATED: ("", "…"),
    RunStatus.RUNNING: ("", "▶"),
    RunStatus.PAUSED: ("warn", "‖"),
    RunStatus.FAILED: ("bad", "✗"),
    RunStatus.COMPLETED: ("good", "✓"),
    RunStatus.CANCELLED: ("", "■"),
}
PROOFS = {
    Proof.UNNAMED: "the run named no manifest that shows it",
    Proof.AWAITED: "manifest {revision}, which shows it, has not arrived yet",
    Proof.SHOWN: "shown by manifest {revision}",
    Proof.CONTRADICTED: "contradicted by manifest {revision}",
}


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Something about a run that another part keeps: an incident, a drill."""

    url: str
    title: str
    says: str
    is_open: bool


# Other parts say what they know of a run; each in a fixed number of queries.
ELSEWHERE: list[Callable[[Run], Iterable[Elsewhere]]] = []


def page_of(run: Run) -> dict[str, Any]:
    """Everything that the page shows, in a fixed number of queries."""
    now = clock.now()
    manifest = runs.document_of(run, DocumentKind.MANIFEST)
    gates = runs.document_of(run, DocumentKind.GATES)
    offer = (
        FallbackOffer.objects.filter(run=run)
        .select_related("summary", "routing__taken_by")
        .first()
    )
    timeout = RunTimeout.objects.filter(run=run).select_related("checkpoint").first()
    standings = scans.verdicts_of(run)
    directives = [
        _directive(each, now)
        for each in run.directives.select_related("issued_by")[:MOST_DIRECTIVES]
    ]
    elsewhere = [each for source in ELSEWHERE for each in source(run)]
    shown_gates = _gates(run, gates, manifest)
    looks, mark = MARKS[RunStatus(run.status)]
    return {
        "run": run,
        "looks": looks,
        "mark": mark,
        "sentence": stories.sentence(_facts(run, offer, timeout, now)),
        "needs": _needs(run, shown_gates, directives, standings, elsewhere),
        "passages": _passages(run, manifest, now),
        "gates": shown_gates,
        "files": _files(run, standings),
        "most_artifacts": MOST_ARTIFACTS,
        "documents": run.documents.defer("raw", "content")[:MOST_DOCUMENTS],
        "offer": offer,
        "offer_reason": redact(offer.reason) if offer else "",
        "timeout": timeout,
        "directives": directives,
        "elsewhere": elsewhere,
        "skew": _in_words(_skew(manifest)),
        "decision": run.decision,
        "steps": explanations.of_decision(run.decision) if run.decision else [],
        "is_replayed": run.decision is not None
        and decisions.replay(run.decision) is None,
    }


def _facts(
    run: Run, offer: FallbackOffer | None, timeout: RunTimeout | None, now: datetime
) -> stories.RunFacts:
    return stories.RunFacts(
        status=RunStatus(run.status),
        reported=run.reported_status,
        cause=run.cause,
        stage=run.stage,
        is_admitted=run.is_admitted,
        is_imported=run.kind == RunKind.IMPORTED,
        failed_gate=offer.gate_id if offer else "",
        hung_in=timeout.stage if timeout else run.stage,
        hung_s=timeout.elapsed_s if timeout else 0,
        gates={letter: gate["status"] for letter, gate in run.gates.items()},
        times_out_in=run.times_out_at - now if run.times_out_at else None,
        time_left=run.time_left,
    )


def _needs(
    run: Run,
    gates: list[dict[str, Any]],
    directives: list[dict[str, Any]],
    standings: Mapping[str, Standing],
    elsewhere: list[Elsewhere],
) -> list[str]:
    """What waits for a person, in words."""
    found = []
    if run.awaits_fallback:
        found.append(
            "Nobody has taken its fallback: its request waits for the "
            f"{run.rollout.fallback_workflow} workflow."
        )
    for each in directives:
        if each["is_overdue"]:
            found.append(f"It has not followed “{each['directive'].kind}”: overdue.")
        if each["directive"].proof == Proof.CONTRADICTED:
            found.append(
                f"It says that it followed “{each['directive'].kind}”, and "
                "its manifest says otherwise."
            )
    for gate in gates:
        if gate.get("confirmed_by") and gate["review"] is None:
            found.append(f"Nobody has looked at the failure of gate {gate['letter']}.")
        if gate.get("drift"):
            found.append(f"Gate {gate['letter']} says one thing, its metrics another.")
    blocked = sum(each.verdict == Verdict.BLOCKED for each in standings.values())
    if blocked:
        found.append(f"The safety scan has blocked {blocked} of its files: a secret.")
    for each in elsewhere:
        if each.is_open:
            found.append(f"{each.title} is open.")
    return found


def _passages(
    run: Run, manifest: RunDocument | None, now: datetime
) -> list[dict[str, Any]]:
    """The stages, the newest last, each with what it was refused there."""
    skew = _skew(manifest) if abs(_skew(manifest)) > WORTH_SHOWING else timedelta(0)
    refused: dict[str, list[Advance]] = {}
    for advance in run.advances.filter(is_allowed=False)[:MOST_ADVANCES]:
        refused.setdefault(advance.from_stage, []).append(advance)
    found = []
    for passage in stories.passages(manifest.content if manifest else None, run.stage):
        is_here = passage.until is None
        since = run.stage_since if is_here and passage.since is None else passage.since
        until = (run.finished_at or now) - skew
        found.append(
            {
                "passage": passage,
                "since": since,
                "is_here": is_here,
                "so_far": stories.in_words(until - since) if is_here and since else "",
                "why": redact(passage.why),
                "refused": _counted(refused.pop(passage.stage, [])),
            }
        )
    return found


def _counted(advances: list[Advance]) -> list[dict[str, Any]]:
    """Equal refusals once, with how many there were; the newest first."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for each in advances:
        lacks = [c["what"] for c in each.preconditions if not c["holds"]]
        known = found.setdefault(
            (each.to_stage, each.code), {"advance": each, "lacks": lacks, "count": 0}
        )
        known["count"] += 1
    return list(found.values())


def failure_of(run: Run, letter: str) -> dict[str, Any]:
    """What is known of a gate of a run, for whoever says what its failure was."""
    gates = runs.document_of(run, DocumentKind.GATES)
    manifest = runs.document_of(run, DocumentKind.MANIFEST)
    shown = {each["letter"]: each for each in _gates(run, gates, manifest)}
    return {"run": run, "gate": shown[letter]}


def _gates(
    run: Run, gates: RunDocument | None, manifest: RunDocument | None
) -> list[dict[str, Any]]:
    reported = gates.content["gates"] if gates else {}
    limits = manifest.content.get("limits") or {} if manifest else {}
    looked_at = {each.gate: each for each in run.reviews.select_related("reviewer")}
    found = []
    for letter, name in NAMES.items():
        said = reported.get(letter, {})
        judged = {"status": "not_run", **run.gates.get(letter, {})}
        metrics = stories.measured(
            said.get("metrics") or {},
            most=MOST_METRICS,
            bounds=bounds_of(letter, is_no_web=run.no_web, limits=limits),
        )
        found.append(
            {
                **judged,
                "letter": letter,
                "name": name,
                "notes": redact(str(said.get("notes") or "")),
                "metrics": [e._replace(value=redact(e.value)) for e in metrics],
                "tried": stories.retries_in_words(letter, judged.get("retries", 0)),
                "review": looked_at.get(letter),
            }
        )
    return found


def _directive(directive: Directive, now: datetime) -> dict[str, Any]:
    is_open = directive.state == DirectiveState.ISSUED
    shown = PROOFS.get(directive.proof, "") if directive.proof else ""
    return {
        "directive": directive,
        "is_overdue": is_open and directive.due_at < now,
        "is_open": is_open,
        "shown": shown.format(revision=directive.revision),
        "late": stories.in_words(now - directive.due_at) if is_open else "",
    }


def _files(run: Run, standings: Mapping[str, Standing]) -> list[dict[str, Any]]:
    """Its files by their paths, the newest version first, each with its verdict."""
    found = list(run.artifacts.order_by("path", "-version")[:MOST_ARTIFACTS])
    for artifact in found:
        artifact.run = run
    return [
        {"newest": versions[0], "older": versions[1:]}
        for _, group in groupby(found, key=lambda each: each.path)
        if (versions := [_file(each, run, standings) for each in group])
    ]


def _file(
    artifact: Artifact, run: Run, standings: Mapping[str, Standing]
) -> dict[str, Any]:
    standing = standings.get(artifact.digest)
    is_blocked = standing is not None and standing.verdict == Verdict.BLOCKED
    return {
        "artifact": artifact,
        "badge": badge(standing.verdict if standing else None),
        "scan": standing.scan.pk if standing else None,
        "address": "" if is_blocked else address_of(artifact, run.rollout.key),
    }


def _skew(manifest: RunDocument | None) -> timedelta:
    """How far the run's clock is behind ours; below zero when it is ahead."""
    if manifest is None:
        return timedelta(0)
    said = datetime.fromisoformat(manifest.content["updated_at"])
    return manifest.received_at - said


def _in_words(skew: timedelta) -> str:
    """A skew that is worth showing; nothing otherwise."""
    if abs(skew) <= WORTH_SHOWING:
        return ""
    where = "behind" if skew > timedelta(0) else "ahead of"
    return f"{stories.in_words(abs(skew))} {where}"
