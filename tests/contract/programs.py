"""The programs of the guide for services, run as they stand."""

import os
import shutil
import subprocess

import pytest

from tests.live import ROOT, LivePortal

EXAMPLES = ROOT / "docs" / "examples"
NODE = ROOT / "tests" / "contract" / "node"
TSC = NODE / "node_modules" / ".bin" / "tsc"
STRICT = (
    *("--module", "nodenext", "--target", "es2022", "--strict", "--skipLibCheck"),
    *("--typeRoots", str(NODE / "node_modules" / "@types"), "--types", "node"),
)
needs_typescript = pytest.mark.skipif(
    shutil.which("node") is None or not TSC.exists(),
    reason="`make test-contract` installs TypeScript, given Node",
)


def reported(portal: LivePortal, *command: str) -> list[str]:
    done = subprocess.run(
        command,
        env=os.environ | {"PORTAL": portal.url, "TOKEN": portal.a_token(command[-1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
