"""What the agent knows of processes, from the system itself."""

import os
import subprocess
import sys

from rollout.agent.cli import age_s, end_group, start_of


def test_a_process_has_a_start_until_it_has_ended_also_when_nobody_reaps_it():
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True
    )
    start = start_of(process.pid)
    assert start > 0
    assert 0 <= age_s(start) < 60

    end_group(process.pid)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and not reaped

    assert start_of(process.pid) == 0
    process.wait()
    assert start_of(process.pid) == 0
