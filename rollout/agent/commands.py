"""Turning a run: paused, cancelled, resumed. The files say whether it is done."""

import structlog

from rollout.agent import editing
from rollout.agent.cli import Cli, reason_to_give
from rollout.agent.runs import Root
from rollout.domain.cli_answers import DISABLED, LOCK_HELD, CliAnswer, Verdict
from rollout.domain.runs import FINAL, RunStatus

MOST_ATTEMPTS = 3  # of the command line, before a run is stopped by hand

log = structlog.get_logger(__name__)


async def _call(cli: Cli, root: Root, command: str, why: str) -> CliAnswer:
    await editing.wait_until_free(root.path)
    answer = await cli.command(command, root.path, why)
    manifest = await editing.read_manifest(root.path)
    root.record.status = str(manifest["status"])
    log.info(
        "command",
        run_id=root.run_id,
        command=command,
        verdict=answer.verdict,
        code=answer.code,
        status=root.record.status,
        revision=manifest["revision"],
    )
    return answer


async def stop(cli: Cli, root: Root, command: str, wanted: str, why: str) -> bool:
    """Pause or cancel: by command, and by hand where it is disabled or does not work.

    Towards safety nothing may stand in the way; False: try again soon.
    """
    done = (wanted, *FINAL)
    if root.record.status in done:
        return True
    answer = await _call(cli, root, command, why)
    root.attempts += 1
    if root.record.status not in done:
        if answer.verdict == Verdict.DONE:
            root.problem = f"{command} is said to be done, and is not."
        else:
            root.problem = f"{command}: {answer.code} {answer.message}".strip()
        may_do = answer.code == DISABLED or root.attempts >= MOST_ATTEMPTS
        if answer.code == LOCK_HELD or not may_do:
            return False
        manifest = await editing.stop_by_hand(
            root.path, wanted, reason_to_give(why), cli.config.command
        )
        root.record.status = str(manifest["status"])
    root.attempts, root.problem = 0, ""
    return True


async def resume(cli: Cli, root: Root, why: str) -> bool:
    """Let a paused run go on; what a tick has left is kept, but out of its way."""
    if root.record.status == RunStatus.PAUSED:
        await editing.wait_until_free(root.path)
        editing.move_marker_aside(root.path)
        answer = await _call(cli, root, "resume", why)
        if root.record.status == RunStatus.PAUSED:
            root.problem = f"resume: {answer.code} {answer.message}".strip()
            return False
    root.record.resumes, root.record.is_crashed = False, False
    root.inputs, root.problem = None, ""
    return True
