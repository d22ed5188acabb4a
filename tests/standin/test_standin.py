"""The contract that the stand-in keeps, so that tests can rest on it."""

import json
import os
import signal
import time

import jsonschema_rs
import pytest

from rollout.domain import documents, schemas
from rollout.domain.gates import GateStatus, judge
from tests.live import wait_until
from tests.standin import files, settings
from tests.standin.installation import Installation

LIMIT = 1_000_000
REVIEWED = ["synthesis", "review"]
SHORT = ["wave1", "pivot", "citations", "summaries", *REVIEWED, "finalize"]
LONG = ["perspectives", "wave1", "pivot", "wave2", *SHORT[2:-1], *REVIEWED, "finalize"]


def stages(manifest: dict) -> list[str]:
    return [step["to"] for step in manifest["stage"]["history"]]


def check_documents(installation: Installation, run_id: str) -> None:
    """The portal takes every document of a run as it is."""
    root = installation.runs / run_id
    raw = {name: (root / f"{name}.json").read_bytes() for name in ("manifest", "gates")}
    documents.read_manifest(raw["manifest"], run_id=run_id, limit=LIMIT)
    documents.read_gates(raw["gates"], run_id=run_id, limit=LIMIT)
    for event in installation.log(run_id, "telemetry"):
        schemas.check(schemas.EVENT, event)


# A run


def test_a_run_goes_tick_by_tick_and_its_revisions_grow_by_one(installation):
    first = installation.init("run-1")

    assert first.result == (True, None, 0)
    assert first.document["contract"] == {
        "run_id": "run-1",
        "run_root": str(installation.runs / "run-1"),
        "manifest_path": str(installation.runs / "run-1" / "manifest.json"),
        "gates_path": str(installation.runs / "run-1" / "gates.json"),
        "stage_current": "wave1",
        "status": "running",
    }
    (line,) = files.lines(installation.runs / "runs-ledger.jsonl")
    assert line["run_id"] == "run-1"

    installation.tick_until("run-1")

    assert stages(installation.manifest("run-1")) == SHORT
    assert set(installation.gates("run-1").values()) == {"pass"}
    check_documents(installation, "run-1")
    root = installation.runs / "run-1"
    assert not (root / ".lock").exists()
    assert not (root / "logs/tick-in-progress.json").exists()
    for name in ("manifest", "gates"):
        audit = installation.log("run-1", "audit")
        written = [line for line in audit if line["kind"] == f"{name}_write"]
        revisions = [(line["prev_revision"], line["new_revision"]) for line in written]
        assert revisions == [(n, n + 1) for n in range(1, len(written) + 1)]
    seqs = [event["seq"] for event in installation.log("run-1", "telemetry")]
    assert seqs == list(range(1, len(seqs) + 1))


def test_a_longer_story_goes_through_every_stage(installation):
    installation.plan(
        start_in="init", gaps=2, perspectives=2, reviews=["CHANGES_REQUIRED", "PASS"]
    )
    created = installation.init("run-1").document["contract"]
    assert (created["status"], created["stage_current"]) == ("created", "init")

    installation.tick_until("run-1")

    assert stages(installation.manifest("run-1")) == LONG
    assert len(list((installation.runs / "run-1/wave-2").glob("*.md"))) == 2
    check_documents(installation, "run-1")


def test_gates_say_what_their_metrics_say(installation):
    for number, letter in enumerate("BCDEF"):
        run_id = f"run-{number}"
        installation.plan(fails={letter: 9})
        installation.init(run_id)
        while installation.tell(run_id, "tick").document["ok"]:
            pass
        root = installation.runs / run_id

        verdicts = judge(
            files.read(root / "gates.json"), files.read(root / "manifest.json")
        )

        assert verdicts[letter].status == GateStatus.FAIL
        assert GateStatus.DRIFT not in {gate.status for gate in verdicts.values()}
        assert installation.manifest(run_id)["status"] == "running"


def test_researchers_of_others_are_waited_for(installation, tmp_path):
    installation.init("run-1")
    asked = installation.tell("run-1", "tick", "--driver", "task")
    assert asked.result == (False, "RUN_AGENT_REQUIRED", 0)
    halted = files.read(installation.runs / "run-1/operator/halt/latest.json")
    assert asked.document["halt"]["tick_index"] == halted["tick_index"] == 1

    found = tmp_path / "found.md"
    found.write_text(
        "## Findings\n\nA bridge.\n\n## Sources\n\n- https://a.example/1\n"
    )
    given = ("--perspective", "p1", "--input", str(found), "--agent-run-id", "agent-1")
    installation.tell("run-1", "agent-result", "--stage", "wave1", *given)

    assert installation.tell("run-1", "tick", "--driver", "task").result[0]
    output = installation.runs / "run-1/wave-1/p1.md"
    assert output.read_bytes() == found.read_bytes()


# Gates that fail


def test_gate_b_is_tried_again_until_its_retries_are_spent(installation):
    installation.plan(fails={"B": 9})
    installation.init("run-1")

    codes = [installation.tell("run-1", "tick").code for _ in range(3)]

    assert codes == ["RETRY_REQUIRED", "RETRY_REQUIRED", "RETRY_CAP_EXHAUSTED"]
    assert installation.manifest("run-1")["metrics"]["retry_counts"] == {"B": 2}
    check_documents(installation, "run-1")


def test_gate_b_recovers(installation):
    installation.plan(fails={"B": 1})
    installation.init("run-1")

    codes = [installation.tell("run-1", "tick").code for _ in range(2)]

    assert codes == ["RETRY_REQUIRED", None]
    assert installation.manifest("run-1")["metrics"]["retry_counts"] == {"B": 1}
    assert installation.gates("run-1")["B"] == "pass"


def test_a_failure_can_hide_behind_an_error_and_be_in_the_files_only(installation):
    installation.plan(fails={"C": 9}, throws=["GATE_BLOCKED"])
    installation.init("run-1")
    for _ in range(2):
        installation.tell("run-1", "tick")

    blocked = installation.tell("run-1", "tick")

    assert blocked.result == (False, "CLI_ERROR", 1)
    assert blocked.document["error"]["message"] == "GATE_BLOCKED: Gate C not pass"
    assert installation.gates("run-1")["C"] == "fail"


# Pausing and switching off


def test_pause_resume_and_cancel_are_carried_out_between_ticks(installation):
    installation.init("run-1")
    started = installation.manifest("run-1")["stage"]["started_at"]

    installation.tell("run-1", "pause")
    assert installation.tell("run-1", "tick").result == (False, "PAUSED", 0)
    installation.tell("run-1", "resume")
    assert installation.manifest("run-1")["stage"]["started_at"] > started
    installation.tell("run-1", "cancel")
    assert installation.tell("run-1", "tick").result == (False, "CANCELLED", 0)

    logs = installation.runs / "run-1" / "logs"
    assert len(list(logs.glob("*-checkpoint.md"))) == 3
    installation.tell("run-1", "resume")  # it revives what had ended
    assert installation.manifest("run-1")["status"] == "running"


def test_the_settings_switch_blocks_every_command(installation):
    installation.init("run-1")
    before = installation.snapshot("run-1")
    installation.set_flags(PAI_DR_CLI_ENABLED=False)

    answers = [
        installation.tell("run-1", command)
        for command in ("status", "tick", "pause", "resume", "cancel")
    ] + [installation.init("run-2")]

    assert {answer.result for answer in answers} == {(False, "CLI_ERROR", 1)}
    assert all("DISABLED" in answer.said for answer in answers)
    assert installation.snapshot("run-1") == before
    assert not (installation.runs / "run-2").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"deepResearchCli": {"flags": 7}}'])
def test_settings_that_cannot_be_read_mean_enabled(installation, text):
    installation.settings.write_text(text)

    assert installation.init("run-1").result == (True, None, 0)


def test_a_run_keeps_the_flags_that_it_started_with(installation):
    installation.set_flags(PAI_DR_CLI_ENABLED=True, PAI_DR_CLI_MAX_WAVE1_AGENTS=2)
    installation.init("run-1")
    installation.set_flags(PAI_DR_CLI_ENABLED=True, PAI_DR_CLI_MAX_WAVE1_AGENTS=4)

    installation.tell("run-1", "tick")

    assert installation.manifest("run-1")["limits"]["max_wave1_agents"] == 2


def test_the_manifests_switch_stops_a_process_at_its_next_transition(installation):
    installation.plan(slow={"wave1": 1})
    installation.init("run-1")
    process = installation.start(*installation.on("run-1", "tick"))
    output = installation.runs / "run-1/wave-1/p1.md"
    wait_until(output.exists)
    manifest = installation.manifest("run-1")
    manifest["revision"] += 1
    manifest["query"]["constraints"]["deep_research_cli"]["enabled"] = False
    files.write(installation.runs / "run-1/manifest.json", manifest)

    said, _ = process.communicate(timeout=60)

    answer = json.loads(said)
    assert (answer["ok"], answer["error"]["code"]) == (False, "DISABLED")
    assert installation.manifest("run-1")["stage"]["current"] == "wave1"
    assert output.exists()


# Locks and markers


def test_a_lock_counts_until_its_lease_is_over(tmp_path):
    installation = Installation(tmp_path / "i", STANDIN_LEASE_S="2")
    installation.plan(faults=[{"do": "die", "command": "tick", "tick": 1}])
    installation.init("run-1")

    died = installation.tell("run-1", "tick")
    assert (died.said, died.status) == ("", -signal.SIGKILL)
    held = installation.tell("run-1", "pause")
    assert held.result == (False, "CLI_ERROR", 1)
    assert "LOCK_HELD" in held.said

    wait_until(lambda: installation.tell("run-1", "pause").result[0], limit_s=20)
    assert installation.manifest("run-1")["status"] == "paused"


def test_the_marker_of_a_tick_that_died_is_in_the_way_when_it_is_old(tmp_path):
    installation = Installation(
        tmp_path / "i", STANDIN_LEASE_S="1", STANDIN_MARKER_S="2"
    )
    installation.plan(faults=[{"do": "die", "command": "tick", "tick": 1}])
    installation.init("run-1")
    installation.tell("run-1", "tick")
    time.sleep(2.1)

    refused = installation.tell("run-1", "tick")
    assert refused.result == (False, "PREVIOUS_TICK_INCOMPLETE", 0)

    marker = installation.runs / "run-1/logs/tick-in-progress.json"
    marker.rename(marker.with_name("tick-in-progress.kept.json"))
    assert installation.tell("run-1", "tick").result[0]


def test_two_ticks_at_once_are_one_tick(installation):
    installation.plan(slow={"wave1": 1})
    installation.init("run-1")
    first = installation.start(*installation.on("run-1", "tick"))
    wait_until((installation.runs / "run-1/.lock").exists)

    second = installation.tell("run-1", "tick")

    assert second.result == (False, "CLI_ERROR", 1)
    assert json.loads(first.communicate(timeout=60)[0])["ok"]


# Faults


def test_exit_codes_and_words_can_lie(installation):
    installation.plan(
        faults=[
            {"do": "lie", "code": 3, "tick": 1},
            {"do": "garbage", "tick": 2},
            {"do": "nothing", "tick": 3},
            {"do": "deep", "tick": 4},
            {"do": "huge", "megabytes": 1, "tick": 5},
            {"do": "leave", "code": 7, "at": "end", "tick": 6},
        ]
    )
    installation.init("run-1")

    answers = [installation.tell("run-1", "tick") for _ in range(6)]

    assert answers[0].result == (True, None, 3)
    assert not answers[1].said.startswith("{")
    assert answers[2].said.strip() == ""
    assert len(answers[3].said.strip()) == 20_000
    assert len(answers[4].said) > 1_000_000
    assert (answers[5].said, answers[5].status) == ("", 7)
    assert installation.manifest("run-1")["status"] == "completed"


def test_a_fault_can_happen_so_many_times_only(installation):
    installation.plan(faults=[{"do": "nothing", "command": "status", "times": 2}])
    installation.init("run-1")

    said = [bool(installation.tell("run-1", "status").said.strip()) for _ in range(3)]

    assert said == [False, False, True]


def test_a_manifest_can_be_caught_half_written(installation):
    installation.plan(faults=[{"do": "half_written", "tick": 1, "seconds": 2}])
    installation.init("run-1")
    process = installation.start(*installation.on("run-1", "tick"))

    def is_half() -> bool:
        try:
            installation.manifest("run-1")
        except ValueError:
            return True
        return False

    wait_until(is_half)
    assert json.loads(process.communicate(timeout=60)[0])["ok"]
    check_documents(installation, "run-1")


def test_a_revision_can_come_twice_with_other_content(installation):
    installation.init("run-1")
    before = installation.manifest("run-1")
    installation.plan(faults=[{"do": "conflict", "command": "status", "at": "start"}])

    installation.tell("run-1", "status")

    after = installation.manifest("run-1")
    assert after["revision"] == before["revision"]
    assert after["query"]["text"] != before["query"]["text"]


def test_what_hangs_hangs_with_its_child_and_holds_the_lock(installation):
    installation.plan(faults=[{"do": "hang", "tick": 1, "child": True, "deaf": True}])
    installation.init("run-1")
    process = installation.start(*installation.on("run-1", "tick"))
    wait_until((installation.runs / "run-1/wave-1/p1.md").exists)

    process.terminate()
    time.sleep(0.5)
    assert process.poll() is None
    assert (installation.runs / "run-1/.lock").exists()

    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


# The real one


def test_settings_are_read_as_the_research_system_reads_them(shared):
    names = {
        "cliEnabled": "PAI_DR_CLI_ENABLED",
        "noWeb": "PAI_DR_CLI_NO_WEB",
        "modeDefault": "PAI_DR_CLI_MODE_DEFAULT",
        "maxWave1Agents": "PAI_DR_CLI_MAX_WAVE1_AGENTS",
        "maxWave2Agents": "PAI_DR_CLI_MAX_WAVE2_AGENTS",
        "maxReviewIterations": "PAI_DR_CLI_MAX_REVIEW_ITERATIONS",
        "maxSummaryKb": "PAI_DR_CLI_MAX_SUMMARY_KB",
        "maxTotalSummaryKb": "PAI_DR_CLI_MAX_TOTAL_SUMMARY_KB",
        "runsRoot": "PAI_DR_CLI_RUNS_ROOT",
    }
    usual = settings.understood({})
    vectors = json.loads((shared / "vectors" / "flag_vectors.json").read_text())

    for vector in vectors:
        if isinstance(vector["settings"], str):
            continue
        differing = vector["differs_from_default"].items()
        expected = usual | {names[name]: value for name, value in differing}
        expected["source"] = {"env": [], "settings": vector["source"]}
        assert settings.understood(vector["settings"]) == expected


SCHEMAS = {
    "manifest.json": "manifest.v1",
    "gates.json": "gates.v1",
    "run-config.json": "run_config.v1",
    "run-config/policy.json": "run_policy.v1",
    "operator/halt/latest.json": "halt.v1",
    "logs/telemetry.jsonl": "telemetry.v1.event",
    "logs/ticks.jsonl": "tick_ledger.v1",
    "logs/audit.jsonl": "audit.event",
}


def test_every_document_fits_the_research_systems_schemas(shared, installation):
    def schema(name: str) -> jsonschema_rs.Draft202012Validator:
        path = shared / "schemas" / f"{name}.schema.json"
        return jsonschema_rs.Draft202012Validator(json.loads(path.read_text()))

    installation.plan(fails={"B": 1, "C": 1}, faults=[{"do": "die", "tick": 5}])
    answers = [installation.init("run-1")]
    answers += [installation.tell("run-1", "tick") for _ in range(5)]
    answers.append(installation.tell("run-1", "pause"))
    root = installation.runs / "run-1"

    schema("run_lock").validate(files.read(root / ".lock"))
    for answer in answers:
        if answer.said:
            schema("cli_envelope").validate(answer.document)
    for path, name in SCHEMAS.items():
        is_log = path.endswith("l")
        found = files.lines(root / path) if is_log else [files.read(root / path)]
        for document in found:
            schema(name).validate(document)


def keys(document: object) -> object:
    """The shape of a document: its keys all the way down, and nothing of its values."""
    if isinstance(document, dict):
        return {key: keys(value) for key, value in document.items()}
    if isinstance(document, list) and document:
        return [keys(document[0])]
    return None


def test_documents_have_the_shape_of_the_real_ones(shared, installation):
    installation.init("run-1")
    installation.tick_until("run-1")
    root = installation.runs / "run-1"
    real = shared / "real_runs" / "finalize_happy_task"

    for path in (
        "manifest.json",
        "run-config.json",
        "run-config/policy.json",
        "perspectives.json",
        "operator/scope.json",
        "pivot.json",
        "wave-review.json",
        "citations/found-by.json",
        "citations/url-map.json",
        "summaries/summary-pack.json",
        "summaries/summary-pack.meta.json",
        "review/review-bundle.json",
        "review/revision-directives.json",
        "metrics/run-metrics.json",
        "logs/telemetry.index.json",
    ):
        assert keys(files.read(root / path)) == keys(files.read(real / path)), path
    ours, theirs = (files.read(each / "gates.json")["gates"] for each in (root, real))
    for letter in "ABCDEF":
        assert keys(ours[letter]["metrics"]) == keys(theirs[letter]["metrics"])
    for log, kind in (("ticks", "phase"), ("telemetry", "event_type")):
        ours, theirs = (
            {line[kind]: keys(line) for line in files.lines(each / f"logs/{log}.jsonl")}
            for each in (root, real)
        )
        for each in set(ours) & set(theirs):
            assert set(ours[each]) <= set(theirs[each]) | {"message"}, each
