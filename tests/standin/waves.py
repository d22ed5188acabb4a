"""The researchers' waves, and the pivot between them."""

from tests.standin import files, gates
from tests.standin.documents import SECTIONS, perspectives, wave1_plan
from tests.standin.job import Job, Work
from tests.standin.refusals import Refusal
from tests.standin.run import Run

CHANGE_NOTE = "Add the section 'Sources' with one URL per line."


def plan_first_wave(run: Run, ids: list[str], reason: str) -> None:
    """Who looks from where, and who is asked what."""
    planned = perspectives(run.run_id, ids, "standard")
    run.write("perspectives.json", planned)
    run.audit(
        "perspectives_write",
        reason=reason,
        path=str(run.root / "perspectives.json"),
        value_digest=files.digest(planned),
    )
    plan = wave1_plan(run.run_id, ids)
    run.write("wave-1/wave1-plan.json", plan)
    run.audit(
        "wave1_plan",
        reason=reason,
        plan_path=str(run.root / "wave-1/wave1-plan.json"),
        planned=len(ids),
        inputs_digest=files.digest(plan),
    )


def _ids(run: Run, path: str = "perspectives.json") -> list[str]:
    return [each["id"] for each in run.json(path)["perspectives"]]


def _output(run: Run, each: str, gaps: int = 0) -> str:
    urls = [f"- https://sources.example/{run.run_id}/{each}/{n}" for n in (1, 2, 3)]
    open_ends = [f"- Gap {n} of {each}" for n in range(1, gaps + 1)] or ["None."]
    parts = zip(SECTIONS, ([f"What {each} found."], urls, open_ends), strict=True)
    return (
        "\n\n".join(f"## {title}\n\n" + "\n".join(body) for title, body in parts) + "\n"
    )


def wave1(job: Job) -> Work:
    run, ids = job.run, _ids(job.run)
    if job.driver == "task" and _waits_for_retry(run):
        raise Refusal("RUN_AGENT_REQUIRED", "agent-result is required for the retry")
    yield from job.outputs("wave-1", ids, lambda p: _output(run, p, job.scenario.gaps))
    gates.check(run, "A", job.scenario, job.reason)
    bad = gates.shall_fail(run, "B", job.scenario)
    _write_wave_review(run, ids, bad)
    if (
        not gates.check(run, "B", job.scenario, job.reason)
        and "B" in job.scenario.retries
    ):
        _ask_for_retry(job, ids)


def _write_wave_review(run: Run, ids: list[str], bad: bool) -> None:
    missing = ["Sources"] if bad else []
    results = [
        {
            "perspective_id": each,
            "markdown_path": str(run.root / f"wave-1/{each}.md"),
            "pass": not bad,
            "metrics": {
                "words": len(run.text(f"wave-1/{each}.md").split()),
                "sources": run.text(f"wave-1/{each}.md").count("https://"),
                "missing_sections": missing,
            },
            "failure": None if not bad else {"code": "MISSING_REQUIRED_SECTION"},
        }
        for each in ids
    ]
    report = {
        "ok": True,
        "pass": not bad,
        "perspectives_path": str(run.root / "perspectives.json"),
        "outputs_dir": str(run.root / "wave-1"),
        "validated": len(ids),
        "failed": len(ids) if bad else 0,
        "results": results,
        "retry_directives": _retry_directives(ids) if bad else [],
        "report": {
            "failures_sample": [],
            "failures_omitted": 0,
            "notes": "A section is missing." if bad else "All outputs are complete.",
        },
        "report_path": str(run.root / "wave-review.json"),
    }
    run.write("wave-review.json", report)


def _retry_directives(ids: list[str]) -> list[dict[str, str]]:
    return [
        {
            "perspective_id": each,
            "action": "retry",
            "change_note": CHANGE_NOTE,
            "blocking_error_code": "MISSING_REQUIRED_SECTION",
        }
        for each in ids
    ]


def _ask_for_retry(job: Job, ids: list[str]) -> None:
    run = job.run
    directives = {
        "schema_version": "wave1.retry_directives.v1",
        "run_id": run.run_id,
        "stage": "wave1",
        "generated_at": files.now(),
        "consumed_at": None,
        "retry_directives": _retry_directives(ids),
        "deferred_validation_failures": [],
    }
    run.write("retry/retry-directives.json", directives)
    gates.plan_retry(run, "B", CHANGE_NOTE, job.reason)
    raise Refusal("RETRY_REQUIRED", "wave1 outputs require retry before pivot")


def _waits_for_retry(run: Run) -> bool:
    path = "retry/retry-directives.json"
    return run.has(path) and run.json(path)["consumed_at"] is None


def pivot(job: Job) -> Work:
    run, count = job.run, job.scenario.gaps
    yield
    found = [
        {
            "gap_id": f"gap_p1_{number}",
            "priority": "P1",
            "text": f"Gap {number} of p1",
            "tags": [],
            "source": "parsed_wave1",
            "from_perspective_id": "p1",
        }
        for number in range(1, count + 1)
    ]
    rule = "Wave2Required.P1" if found else "Wave2Skip.NoGaps"
    results = run.json("wave-review.json")["results"]
    outputs = [
        {
            "perspective_id": each["perspective_id"],
            "output_md": f"wave-1/{each['perspective_id']}.md",
            "validator_report": {
                "ok": each["pass"],
                "perspective_id": each["perspective_id"],
                "markdown_path": each["markdown_path"],
            }
            | each["metrics"],
        }
        for each in results
    ]
    metrics = {f"p{level}_count": count if level == 1 else 0 for level in range(4)}
    run.write(
        "pivot.json",
        {
            "schema_version": "pivot_decision.v1",
            "run_id": run.run_id,
            "generated_at": files.now(),
            "inputs_digest": files.digest(outputs),
            "wave1": {"outputs": outputs},
            "gaps": found,
            "decision": {
                "wave2_required": bool(found),
                "rule_hit": rule,
                "metrics": metrics | {"total_gaps": count},
                "explanation": f"{count} gaps of priority P1 ({rule}).",
                "wave2_gap_ids": [each["gap_id"] for each in found],
            },
        },
    )
    run.audit(
        "pivot_decide",
        reason=job.reason,
        pivot_path=str(run.root / "pivot.json"),
        wave2_required=bool(found),
        rule_hit=rule,
        inputs_digest=files.digest(outputs),
    )


def wave2(job: Job) -> Work:
    run = job.run
    ids = run.json("pivot.json")["decision"]["wave2_gap_ids"]
    document = perspectives(run.run_id, ids, "independent")
    run.write("wave-2/wave2-perspectives.json", document)
    yield from job.outputs("wave-2", ids, lambda each: _output(run, each))
