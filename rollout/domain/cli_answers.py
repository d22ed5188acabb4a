"""What the research system's command line answered: judged by what it says.

Its exit status proves nothing: a tick that did nothing ends with 0, and what was thrown
ends with 1 as `CLI_ERROR`, with the real code in its text only.
"""

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

CLI_ERROR = "CLI_ERROR"
LOCK_HELD = "LOCK_HELD"
DISABLED = "DISABLED"
PAUSED = "PAUSED"
WAITS_FOR_AGENTS = "RUN_AGENT_REQUIRED"
GATE_BLOCKED = "GATE_BLOCKED"
TICK_INCOMPLETE = "PREVIOUS_TICK_INCOMPLETE"
NOT_STARTED = "CLI_NOT_STARTED"
LONGEST_MESSAGE = 300

_PLAIN = re.compile(rf"\b(?:{DISABLED}|{PAUSED})\b")
_CODE = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")


class Ending(StrEnum):
    """How a process ended, as far as whoever started it saw."""

    EXITED = "exited"
    DIED = "died"  # of a signal
    HUNG = "hung"  # and was killed
    STOPPED = "stopped"  # because something else was asked of its run
    TOO_LOUD = "too loud"  # printed more than anybody reads, and was killed
    NOT_STARTED = "not started"


class Verdict(StrEnum):
    """What a command came to."""

    DONE = "done"
    REFUSED = "refused"
    WAITING = "waiting"  # for agents' results: no failure
    UNCLEAR = "unclear"  # only the files can tell


@dataclass(frozen=True, slots=True)
class CliAnswer:
    """A command's outcome; `code` is why it is not done, empty when it is."""

    verdict: Verdict
    code: str = ""
    message: str = ""


_UNCLEAR = {
    Ending.DIED: ("CLI_DIED", "It died before it answered."),
    Ending.HUNG: ("CLI_HUNG", "It did not end in time and was killed."),
    Ending.STOPPED: ("CLI_STOPPED", "It was stopped half-way."),
    Ending.TOO_LOUD: ("CLI_TOO_LOUD", "It printed without an end and was killed."),
    Ending.NOT_STARTED: (NOT_STARTED, "It cannot be started."),
}


def judge(ending: Ending, output: bytes) -> CliAnswer:
    """What `output`, whose last line is the answer, says."""
    if ending in (Ending.HUNG, Ending.STOPPED, Ending.TOO_LOUD, Ending.NOT_STARTED):
        return CliAnswer(Verdict.UNCLEAR, *_UNCLEAR[ending])
    said = _envelope(output)
    if said is None:
        if ending == Ending.DIED:
            return CliAnswer(Verdict.UNCLEAR, *_UNCLEAR[ending])
        shown = output.decode(errors="replace").strip()[-LONGEST_MESSAGE:]
        return CliAnswer(Verdict.UNCLEAR, "CLI_NO_JSON", shown or "It said nothing.")
    error = _object(said.get("error")) or _object(
        _object(said.get("halt")).get("error")
    )
    if said["ok"] and not error:
        return CliAnswer(Verdict.DONE)
    message = str(error.get("message") or "")[:LONGEST_MESSAGE]
    code = real_code(str(error.get("code") or CLI_ERROR), message)
    is_waiting = code == WAITS_FOR_AGENTS
    return CliAnswer(Verdict.WAITING if is_waiting else Verdict.REFUSED, code, message)


def real_code(code: str, message: str) -> str:
    """The code, looked for in the text when something was thrown."""
    if code != CLI_ERROR:
        return code
    found = _PLAIN.search(message) or _CODE.search(message.replace(CLI_ERROR, ""))
    return found[0] if found else code


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _envelope(output: bytes) -> dict[str, Any] | None:
    """The answer: all of it, or its last line; None when neither is one."""
    lines = output.strip().splitlines()
    for candidate in (output, lines[-1] if lines else b""):
        try:
            found = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and isinstance(found.get("ok"), bool):
            return found
    return None
