"""What manifests and artifacts tell, and what they do not."""

import json
from datetime import UTC, datetime

import jsonschema_rs
import pytest

from rollout.domain.simulation import Fault, File, Manifest, Plan, Report, Run
from rollout.domain.symptoms import (
    BLOCKED_URLS,
    SymptomKind,
    exposure,
    in_a_row,
    in_artifact,
    in_manifest,
    is_told_by,
)
from tests.rollout.documents import a_manifest

HALT = "operator/halt/tick-0001.json"


def a_halt(code: str, message: str = "", tick: int = 1) -> dict:
    return {"tick_index": tick, "error": {"code": code, "message": message}}


def a_failure(kind: str, message: str = "") -> dict:
    return a_manifest(failures=[{"kind": kind, "message": message}])


def told_by(run: Run) -> list:
    """Every symptom that a simulated run tells of on its way."""
    found = []
    while not run.is_over:
        step = run.take()
        if isinstance(step, Manifest):
            found += in_manifest(run.manifest())
        if isinstance(step, File | Report) and is_told_by(step.path):
            found.append(in_artifact(step.path, json.loads(run.artifact(step))))
    return [each for each in found if each]


def a_run(fault: Fault | None) -> Run:
    plan = Plan(run_id="run-1", seed="s", fault=fault)
    return Run(plan, {}, datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("provider_outage", ""),
        ("tool_error", "The model provider answered 503"),
        ("unknown_kind", "upstream: rate limit reached, try later"),
        ("agent_error", "529 overloaded_error"),
    ],
)
def test_a_failing_provider_is_recognised_by_kind_or_message(kind, message):
    (found,) = in_manifest(a_failure(kind, message))

    assert found.kind == SymptomKind.PROVIDER_FAILED


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("timeout", "timeout after 503s in provider"),
        ("hard_gate_fallback_offer", "the provider answered 503"),
        ("validation", "the output is 503 words long"),
        ("tool_error", "section 4 is missing"),
    ],
)
def test_the_portals_own_failures_and_mere_numbers_are_none(kind, message):
    assert list(in_manifest(a_failure(kind, message))) == []


def test_a_halt_that_waits_for_somebody_is_no_failure():
    message = "the provider answered 503"

    assert in_artifact(HALT, a_halt("RUN_AGENT_REQUIRED", message)) is None
    assert in_artifact(HALT, a_halt("TOOL_FAILED", message)) is not None
    assert in_artifact(HALT, a_halt("PROVIDER_UNAVAILABLE")) is not None


def test_only_what_can_tell_is_looked_into():
    assert is_told_by(BLOCKED_URLS)
    assert is_told_by(HALT)
    for path in ("operator/halt/latest.json", "logs/telemetry.jsonl", f"x/{HALT}"):
        assert not is_told_by(path)


@pytest.mark.parametrize("content", [{}, {"items": 3}, {"items": [1]}, {"error": 1}])
def test_a_file_that_is_none_of_ours_tells_nothing(content):
    assert in_artifact(BLOCKED_URLS, content) is None
    assert in_artifact(HALT, content) is None


def test_ticks_count_in_a_row_as_long_as_none_went_on_between_them():
    assert [in_a_row(ticks) for ticks in ([], [4], [1, 2, 3], [1, 3], [3, 5, 4])] == [
        *(0, 1, 3, 1, 3)
    ]


@pytest.mark.parametrize(
    ("sensitivity", "flag", "is_exposed"),
    [
        ("no_web", None, False),
        ("no_web", True, False),
        ("no_web", False, True),
        ("restricted", None, True),
        ("normal", True, True),
        ("some_new_one", True, False),
    ],
)
def test_a_run_that_has_more_of_the_web_than_it_was_given(
    sensitivity, flag, is_exposed
):
    flags = {} if flag is None else {"PAI_DR_CLI_NO_WEB": flag}
    query = {
        "sensitivity": sensitivity,
        "constraints": {"deep_research_cli_flags": flags},
    }
    decided = {"sensitivity": "no_web", "no_web": True}

    found = exposure(a_manifest(query=query), constraints=decided)

    assert (found is not None) == is_exposed
    free = {"sensitivity": "normal", "no_web": False}
    assert exposure(a_manifest(query=query), constraints=free) is None


def test_simulated_faults_are_recognised_and_nothing_else():
    assert told_by(a_run(None)) == []
    assert told_by(a_run(Fault.GATE_B_FAIL)) == []
    (blocked,) = told_by(a_run(Fault.CITATIONS_BLOCKED))
    assert (blocked.kind, blocked.count) == (SymptomKind.SOURCES_BLOCKED, 4)
    *halts, failure = told_by(a_run(Fault.PROVIDER_OUTAGE))
    assert in_a_row(each.place for each in halts) == 2
    assert failure.source == "manifest failure 1"


def test_simulated_halts_have_the_shape_that_the_research_system_writes(shared):
    schema = json.loads((shared / "schemas" / "halt.v1.schema.json").read_text())
    check = jsonschema_rs.Draft202012Validator(schema)
    run = a_run(Fault.PROVIDER_OUTAGE)
    halts = 0
    while not run.is_over:
        step = run.take()
        if isinstance(step, Report):
            check.validate(json.loads(run.artifact(step)))
            halts += 1

    assert halts == 2


def test_what_the_research_system_wrote_tells_of_blocked_sources_only(shared):
    """Its runs waited for agents, were paused, cancelled, timed out: no failures."""
    found = {}
    for root in sorted((shared / "real_runs").iterdir()):
        told = list(in_manifest(json.loads((root / "manifest.json").read_text())))
        for path in sorted(root.rglob("*.json")):
            name = path.relative_to(root).as_posix()
            if is_told_by(name):
                told.append(in_artifact(name, json.loads(path.read_text())))
        if some := [each for each in told if each]:
            found[root.name] = some

    assert list(found) == ["gate_c_blocked_task"]
    (blocked,) = found["gate_c_blocked_task"]
    assert (blocked.kind, blocked.count) == (SymptomKind.SOURCES_BLOCKED, 3)
