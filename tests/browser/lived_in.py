"""A portal in which something of every kind has happened, to look at its pages."""

from pathlib import Path

from tests.live import KEY, PASSWORD, LivePortal, wait_until

WHO, WORD = "somebody-with-every-role", PASSWORD
ROLLED_BACK = f"""
SELECT 1 FROM rollout_stage JOIN rollout_rollout AS r ON r.id = rollout_id
WHERE r.key = '{KEY}' AND position = 0 AND state = 'rolled_back'
"""


def lived_in(var: Path) -> LivePortal:
    """Started and filled by acts, as people and services would."""
    live = LivePortal(var)
    try:
        live.start()
        wait_until(lambda: live.query("SELECT digest FROM drills_verificationhost"))
        carry_out(live, "fill")
        wait_until(lambda: live.query(ROLLED_BACK))
        carry_out(live, "start_again")
    except BaseException:
        live.stop()
        raise
    return live


def carry_out(live: LivePortal, what: str) -> None:
    """A function of `tests.lived_in`, as a process of its own."""
    code = f"from tests import lived_in\nlived_in.{what}()\n"
    live.manage("shell", "--no-imports", "--verbosity", "0", code=code)
