"""The steady state of drills: what is made and looked at before, after, and undone.

Steps by their names; what makes each scenario stands in `methods.py`.
"""

import re
from typing import Any

from drills.domain.drills import Moment, worst
from drills.domain.scenarios import Step
from drills.services import captures, twins
from drills.services.rehearsals import Method, Rehearsal, Seen
from portal.services import actors
from portal.services.jobs import held
from rollout.domain.reconciliation import reconcile
from rollout.domain.runs import RunStatus
from rollout.domain.scanning import Verdict
from rollout.models import DocumentKind, RunDocument
from rollout.services import scans

SHOWN = 5


def open_twin(r: Rehearsal, step: Step) -> Seen:
    twin = r.open_twin()
    stage = twin.stages.get(key=r.drill.stage.key)
    same = twins.fingerprint_of(stage) == r.drill.fingerprint
    is_well = same and not twin.switch.is_engaged and not twin.runs.exists()
    how = "the same configuration as" if same else "another configuration than"
    return Seen(
        is_well and stage.is_admitting,
        f"{twin.key}: stage {stage.key} is {stage.state}, its switch released; it has "
        f"{how} {r.drill.rollout.key}.",
        {"twin": twin.key, "fingerprint": twins.fingerprint_of(stage)},
    )


def begin_run(r: Rehearsal, step: Step) -> Seen:
    pid = r.process.start()

    def reports() -> bool:
        return r.has_run and r.run.status == RunStatus.RUNNING

    if not r.wait_for(lambda: reports() or not r.process.is_running, step.target_s):
        return Seen(False, "The run has not reported.", {"process": pid})
    if not r.has_run:
        said = r.process.last_words.strip().splitlines()
        return Seen(
            False, f"The process has ended: {said[-1] if said else 'nothing said'}"
        )
    run = r.run
    is_well = run.is_admitted and run.status == RunStatus.RUNNING
    return Seen(
        is_well,
        f"{run.run_id} was {'admitted' if run.is_admitted else 'not admitted'}, and is "
        f"{run.status}; process {pid}.",
        {"process": pid, "run": run.run_id, "decision": str(run.decision_id)},
    )


def wait_for_wave(r: Rehearsal, step: Step) -> Seen:
    def has_output() -> bool:
        return r.run.artifacts.filter(path__startswith="wave-1/").exists()

    r.wait_for(has_output, step.target_s)
    run = r.run
    return Seen(
        has_output() and run.status == RunStatus.RUNNING,
        f"The run is {run.status} in {run.stage}, with {run.artifacts.count()} "
        "artifacts.",
        {"stage": run.stage, "manifest_revision": run.manifest_revision},
    )


def capture_before(r: Rehearsal, step: Step) -> Seen:
    made = r.capture(Moment.BEFORE)
    damaged = [each for each in made if each.trouble]
    return Seen(
        bool(made) and not damaged,
        f"{len(made)} captured, {len(damaged)} of them missing or damaged.",
        {"captured": len(made), "damaged": [each.path for each in damaged]},
    )


# After


def compare(r: Rehearsal, step: Step) -> Seen:
    made = r.capture(Moment.AFTER)
    before = captures.inventory_at(r.drill, Moment.BEFORE)
    after = captures.inventory_at(r.drill, Moment.AFTER)
    if before is None or after is None:
        return Seen(False, "There is nothing to compare: a capture is missing.")
    lost = reconcile(before, after).missing
    lost += [
        {"name": each.path, "trouble": each.trouble} for each in made if each.trouble
    ]
    holes = _holes(r)
    twice = _written_again(r, before)
    kept = sum(len(names) for names in before[r.drill.run_id].values())
    if lost or holes or twice:
        names = ", ".join(f"{each['name']} ({each.get('trouble')})" for each in lost)
        return Seen(
            False,
            "; ".join(
                filter(
                    None,
                    [
                        f"lost or altered: {names}" if lost else "",
                        f"holes in {', '.join(holes)}" if holes else "",
                        f"written twice: {', '.join(twice)}" if twice else "",
                    ],
                )
            ),
            {"missing": lost[:SHOWN], "holes": holes, "twice": twice},
        )
    return Seen(
        True,
        f"All {kept} things from before are there, byte for byte; revisions and "
        "events have no holes.",
        {"compared": kept, "captured": len(made)},
    )


def _holes(r: Rehearsal) -> list[str]:
    """Where numbers that grow by one have not."""
    run = r.run
    found = {
        str(kind): set(
            RunDocument.objects.filter(run=run, kind=kind).values_list(
                "revision", flat=True
            )
        )
        for kind in DocumentKind
    }
    found["events"] = set(run.events.values_list("seq", flat=True))
    return [
        name
        for name, numbers in found.items()
        if numbers != set(range(1, len(numbers) + 1))
    ]


def _written_again(r: Rehearsal, before: dict[str, Any]) -> list[str]:
    """Paths that were there before and have been written once more since."""
    known = {
        re.sub(r" version \d+\Z", "", name)
        for name in before[r.drill.run_id]["artifacts"]
    }
    then = len(before[r.drill.run_id]["artifacts"])
    now = r.run.artifacts.filter(path__in=known)
    if now.count() == then:
        return []
    again = now.filter(version__gt=1).values_list("path", flat=True)
    return sorted(set(again))


def scan(r: Rehearsal, step: Step) -> Seen:
    digests = captures.digests_of(r.drill)
    for digest in digests:
        r.check_stop()
        scans.scan(digest, by=actors.system(), reason=r.reason, step=held)
    found = scans.standings(digests)
    verdict = worst([each.verdict for each in found.values()])
    dirty = [d for d, each in found.items() if each.verdict != Verdict.CLEAN]
    return Seen(
        verdict == Verdict.CLEAN and len(found) == len(digests),
        f"{len(found)} of {len(digests)} contents were read: {verdict}.",
        {"verdict": verdict, "not_clean": dirty[:SHOWN]},
    )


# Rollback


def end_process(r: Rehearsal, step: Step) -> Seen:
    if r.process is None:
        return Seen(True, "No process was started.")
    was_running = r.process.is_running
    r.process.kill()
    is_gone = not r.process.is_running
    r.process.forget()
    return Seen(is_gone, "It was ended." if was_running else "It was gone already.")


def close_twin(r: Rehearsal, step: Step) -> Seen:
    ended = twins.close(r.drill.pk, by=r.by, reason=r.reason, step=held)
    r.drill.refresh_from_db()
    if r.drill.twin is None:
        return Seen(True, "No twin was made.")
    left = twins.leftovers(r.drill.twin)
    said = f"Ended: {', '.join(ended) or 'nothing'}."
    return Seen(not left, f"{said} Left: {', '.join(left)}." if left else said)


STEPS: dict[str, Method] = {
    each.__name__: each
    for each in (
        open_twin,
        begin_run,
        wait_for_wave,
        capture_before,
        compare,
        scan,
        end_process,
        close_twin,
    )
}
