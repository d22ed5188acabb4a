"""The six gates: what is measured, and the verdict that the measures say."""

from typing import Any

from tests.standin import files
from tests.standin.refusals import Refusal
from tests.standin.run import Run
from tests.standin.scenario import Scenario

RETRY_CAPS = {"A": 0, "B": 2, "C": 1, "D": 1, "E": 3, "F": 0}
HEADINGS = ("## Summary", "## Key Findings", "## Evidence", "## Caveats")
_KINDS = {
    "A": "gate_a_evaluate",
    "B": "gate_b_derive",
    "C": "gate_c_compute",
    "D": "gate_d_evaluate",
    "E": "gate_e_evaluate",
    "F": "gate_f_evaluate",
}
_ARTIFACTS = {
    "A": ["operator/scope.json", "perspectives.json", "wave-1/wave1-plan.json"],
    "B": ["wave-review.json"],
    "C": ["citations/citations.jsonl", "citations/extracted-urls.txt"],
    "D": ["summaries/summary-pack.json", "summaries"],
    "E": ["synthesis/final-synthesis.md", "citations/citations.jsonl"],
    "F": ["manifest.json", "run-config.json"],
}


def shall_fail(run: Run, letter: str, scenario: Scenario) -> bool:
    """Whether the scenario wants this check to fail, after those that have failed."""
    failed = [line for line in run.audited(_KINDS[letter]) if line["status"] == "fail"]
    return len(failed) < scenario.fails.get(letter, 0)


def check(run: Run, letter: str, scenario: Scenario, reason: str) -> bool:
    """Measure, write the verdict down, and say whether it is a pass."""
    bad = shall_fail(run, letter, scenario)
    metrics, warnings = _MEASURES[letter](run, bad)
    # A report without sources stays one until it is written anew.
    bad = bad or metrics.get("uncited_numeric_claims", 0) > 0
    status = "fail" if bad else "pass"
    gate = {
        "status": status,
        "checked_at": files.now(),
        "metrics": metrics,
        "artifacts": _ARTIFACTS[letter],
        "warnings": warnings,
        "notes": f"Gate {letter} measured: {status}.",
    }
    facts = {"warnings": warnings, "inputs_digest": files.digest(metrics)}
    run.audit(_KINDS[letter], reason=reason, status=status, metrics=metrics, **facts)
    run.set_gate(letter, gate, reason)
    return not bad


def plan_retry(run: Run, letter: str, note: str, reason: str) -> None:
    """Count one more retry, or refuse it when the gate has none left."""
    spent = run.manifest["metrics"].get("retry_counts", {}).get(letter, 0)
    if spent >= RETRY_CAPS[letter]:
        raise Refusal("RETRY_CAP_EXHAUSTED", f"{run.stage} retry cap exhausted")
    entry = {
        "ts": files.now(),
        "gate_id": letter,
        "attempt": spent + 1,
        "change_note": note,
        "reason": reason,
    }

    def change(manifest: dict[str, Any]) -> None:
        metrics = manifest["metrics"]
        metrics.setdefault("retry_counts", {})[letter] = spent + 1
        metrics.setdefault("retry_history", []).append(entry)

    run.change_manifest(change, f"retry_record: {reason}")


def _planning(run: Run, bad: bool) -> tuple[dict[str, Any], list[str]]:
    count = len(run.json("perspectives.json")["perspectives"])
    return {
        "scope_present": 1,
        "scope_valid": 1,
        "perspectives_present": 1,
        "perspectives_valid": int(not bad),
        "wave1_plan_present": 1,
        "wave1_plan_valid": 1,
        "perspectives_count": count,
        "plan_entries_count": len(run.json("wave-1/wave1-plan.json")["entries"]),
        "max_wave1_agents": run.manifest["limits"]["max_wave1_agents"],
        "ids_match_in_order": 1,
        "prompt_scope_contract_ok_count": count,
        "prompt_scope_contract_total": count,
        "prompt_scope_contract_rate": 1,
    }, []


def _wave_outputs(run: Run, bad: bool) -> tuple[dict[str, Any], list[str]]:
    review = run.json("wave-review.json")
    return {
        "validated_count": review["validated"],
        "failed_count": review["failed"],
        "results_count": len(review["results"]),
        "retry_directives_count": len(review["retry_directives"]),
        "report_pass_flag": int(review["pass"]),
        "validated_positive": int(review["validated"] > 0),
        "all_results_pass": int(all(each["pass"] for each in review["results"])),
        "failed_matches_results": 1,
    }, (["WAVE_REVIEW_PASS_FALSE", "RETRY_DIRECTIVES_PRESENT"] if bad else [])


def _citations(run: Run, bad: bool) -> tuple[dict[str, Any], list[str]]:
    found = files.lines(run.root / "citations/citations.jsonl")
    valid = sum(each["status"] == "valid" for each in found) / len(found)
    return {
        "validated_url_rate": valid,
        "invalid_url_rate": 1 - valid,
        "uncategorized_url_rate": 0,
    }, []


def _summaries(run: Run, bad: bool) -> tuple[dict[str, Any], list[str]]:
    expected = len(run.markdown_in("wave-1")) + len(run.markdown_in("wave-2"))
    sizes = [path.stat().st_size / 1024 for path in run.markdown_in("summaries")]
    count = len(run.json("summaries/summary-pack.json")["summaries"])
    return {
        "summary_count_ratio": round(count / expected, 6),
        "max_summary_kb": round(max(sizes), 6),
        "total_summary_pack_kb": round(sum(sizes), 6),
        "summary_count": count,
        "expected_count": expected,
    }, []


def _synthesis(run: Run, bad: bool) -> tuple[dict[str, Any], list[str]]:
    report = run.text("synthesis/final-synthesis.md")
    known = {
        each["cid"] for each in files.lines(run.root / "citations/citations.jsonl")
    }
    used = {cid for cid in known if cid in report}
    present = sum(heading in report for heading in HEADINGS)
    return {
        "uncited_numeric_claims": report.count("(no source)"),
        "report_sections_present": round(100 * present / len(HEADINGS)),
        "citation_utilization_rate": round(len(used) / len(known), 6),
        "duplicate_citation_rate": 0,
    }, []


def _safety(run: Run, bad: bool) -> tuple[dict[str, Any], list[str]]:
    citations = run.json("run-config.json")["effective"]["citations"]
    mode = "online" if bad else citations["mode"]
    configured = {name: int(bool(url)) for name, url in citations["endpoints"].items()}
    return {
        "sensitivity_no_web": int(run.is_no_web),
        "citations_mode": mode,
        "citations_mode_online": int(mode == "online"),
        "run_config_present": 1,
        "endpoint_configured": int(any(configured.values())),
        "brightdata_configured": configured["brightdata"],
        "apify_configured": configured["apify"],
    }, []


_MEASURES = {
    "A": _planning,
    "B": _wave_outputs,
    "C": _citations,
    "D": _summaries,
    "E": _synthesis,
    "F": _safety,
}
