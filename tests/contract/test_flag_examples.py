"""The programs that evaluate flags, as the guide for services shows them."""

import shutil
import subprocess
import sys

import pytest

from tests.contract.programs import (
    EXAMPLES,
    NODE,
    STRICT,
    TSC,
    needs_typescript,
    reported,
)
from tests.live import LivePortal

pytestmark = pytest.mark.contract


@pytest.fixture(scope="module")
def portal(state_directory):
    live = LivePortal(state_directory)
    live.start()
    yield live
    live.stop()


def test_the_python_example_evaluates_flags(portal):
    pytest.importorskip("openfeature.contrib.provider.ofrep")

    said = reported(portal, sys.executable, str(EXAMPLES / "evaluate_flags.py"))

    assert_evaluated(portal, said, "False")


@needs_typescript
def test_the_typescript_example_has_its_types_and_evaluates_flags(portal, tmp_path):
    (tmp_path / "node_modules").symlink_to(NODE / "node_modules")
    source = shutil.copy(EXAMPLES / "evaluate_flags.mts", tmp_path)
    compiled = subprocess.run(
        [str(TSC), *STRICT, source], capture_output=True, text=True, check=False
    )
    assert compiled.returncode == 0, compiled.stdout

    said = reported(portal, "node", str(tmp_path / "evaluate_flags.mjs"))

    assert_evaluated(portal, said, "false")


def assert_evaluated(portal: LivePortal, said: list[str], false: str) -> None:
    service = portal.client(portal.a_token(f"reader of {false}"))
    flag = service.get("/api/v1/flags/PAI_DR_CLI_MAX_WAVE1_AGENTS").json()
    assert said == [f"enabled: {false} (NOT_STARTED)", f"agents: {flag['default']}"]
