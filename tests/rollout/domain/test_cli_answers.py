"""What the command line answered: its words count, its exit status does not."""

import json

import pytest

from rollout.domain.cli_answers import Ending, Verdict, judge


def envelope(**said: object) -> bytes:
    usual = {
        "schema_version": "dr.cli.v1",
        "ok": True,
        "command": "tick",
        "contract": {},
        "result": {},
        "error": None,
        "halt": None,
    }
    return json.dumps({**usual, **said}).encode() + b"\n"


def refused(code: str, message: str = "") -> bytes:
    return envelope(ok=False, error={"code": code, "message": message})


def test_done_is_what_says_so():
    assert judge(Ending.EXITED, envelope()).verdict == Verdict.DONE
    assert judge(Ending.EXITED, b'{"ok": true, "command": "x"}').verdict == Verdict.DONE


def test_an_answer_counts_even_if_the_process_died_after_it():
    assert judge(Ending.DIED, envelope()).verdict == Verdict.DONE


def test_the_answer_is_the_last_line():
    assert judge(Ending.EXITED, b"warming up\n" + envelope()).verdict == Verdict.DONE


@pytest.mark.parametrize(
    ("code", "message", "real"),
    [
        ("GATE_BLOCKED", "gate B", "GATE_BLOCKED"),
        ("CLI_ERROR", "Error: LOCK_HELD run is locked (.lock)", "LOCK_HELD"),
        ("CLI_ERROR", "Option C is off: DISABLED", "DISABLED"),
        ("CLI_ERROR", "CLI_ERROR: REVISION_MISMATCH 3 != 4", "REVISION_MISMATCH"),
        ("CLI_ERROR", "something broke", "CLI_ERROR"),
    ],
)
def test_the_real_code_is_looked_for_in_what_was_thrown(code, message, real):
    answer = judge(Ending.EXITED, refused(code, message))
    assert (answer.verdict, answer.code) == (Verdict.REFUSED, real)


def test_whoever_needs_agents_waits_and_has_not_failed():
    code = "RUN_AGENT_REQUIRED"
    assert judge(Ending.EXITED, refused(code)).verdict == Verdict.WAITING
    halted = envelope(ok=False, halt={"error": {"code": code, "message": ""}})
    assert judge(Ending.EXITED, halted).verdict == Verdict.WAITING


def test_an_ok_with_an_error_is_no_ok():
    said = envelope(error={"code": "PAUSED", "message": "run is paused"})
    answer = judge(Ending.EXITED, said)
    assert (answer.verdict, answer.code) == (Verdict.REFUSED, "PAUSED")


@pytest.mark.parametrize(
    ("ending", "output", "code"),
    [
        (Ending.EXITED, b"Segmentation fault", "CLI_NO_JSON"),
        (Ending.EXITED, b"", "CLI_NO_JSON"),
        (Ending.EXITED, b'{"ok": "yes"}', "CLI_NO_JSON"),
        (Ending.EXITED, b"[" * 100_000, "CLI_NO_JSON"),
        (Ending.EXITED, b"\xff\xfe\x00", "CLI_NO_JSON"),
        (Ending.DIED, b"half of an ans", "CLI_DIED"),
        (Ending.HUNG, envelope(), "CLI_HUNG"),
        (Ending.STOPPED, envelope(), "CLI_STOPPED"),
        (Ending.TOO_LOUD, b"", "CLI_TOO_LOUD"),
        (Ending.NOT_STARTED, b"", "CLI_NOT_STARTED"),
    ],
)
def test_what_is_no_answer_leaves_it_to_the_files(ending, output, code):
    answer = judge(ending, output)
    assert (answer.verdict, answer.code) == (Verdict.UNCLEAR, code)
    assert answer.message
