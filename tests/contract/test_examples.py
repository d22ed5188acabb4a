"""The programs that the guide for services shows, run as they stand."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.live import ROOT, LivePortal, wait_until
from tests.rollout.documents import a_manifest, some_gates, spent

EXAMPLES = ROOT / "docs" / "examples"
NODE = ROOT / "tests" / "contract" / "node"
TSC = NODE / "node_modules" / ".bin" / "tsc"
STRICT = (
    *("--module", "nodenext", "--target", "es2022", "--strict", "--skipLibCheck"),
    *("--typeRoots", str(NODE / "node_modules" / "@types"), "--types", "node"),
)
pytestmark = pytest.mark.contract


@pytest.fixture(scope="module")
def portal(state_directory):
    live = LivePortal(state_directory)
    live.start()
    yield live
    live.stop()


def a_root(place, run_id: str):
    """What a run leaves behind: a gate that failed, and what was written until then."""
    (place / "wave-1").mkdir(parents=True)
    for name, document in (
        ("manifest", a_manifest(run_id, **spent())),
        ("gates", some_gates(run_id, passed="A", failed="B")),
    ):
        (place / f"{name}.json").write_text(json.dumps(document))
    (place / "wave-1" / "p 1 é.md").write_text("A bridge is held up by …")
    return place


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


def test_the_python_example_reports_a_run(portal, tmp_path):
    root = a_root(tmp_path / "run", "from-python")

    said = reported(portal, sys.executable, str(EXAMPLES / "report_run.py"), str(root))

    assert_reported(portal, said, "from-python", root)


@pytest.mark.skipif(
    shutil.which("node") is None or not TSC.exists(),
    reason="`make test-contract` installs TypeScript, given Node",
)
def test_the_typescript_example_has_its_types_and_reports_a_run(portal, tmp_path):
    root = a_root(tmp_path / "run", "from-typescript")
    source = str(EXAMPLES / "report_run.mts")
    compiled = subprocess.run(
        [str(TSC), *STRICT, "--outDir", str(tmp_path), source],
        capture_output=True,
        text=True,
        check=False,
    )
    assert compiled.returncode == 0, compiled.stdout

    said = reported(portal, "node", str(tmp_path / "report_run.mjs"), str(root))

    assert_reported(portal, said, "from-typescript", root)


def test_the_python_example_evaluates_flags(portal):
    pytest.importorskip("openfeature.contrib.provider.ofrep")

    said = reported(portal, sys.executable, str(EXAMPLES / "evaluate_flags.py"))

    assert_evaluated(portal, said, "False")


@pytest.mark.skipif(
    shutil.which("node") is None or not TSC.exists(),
    reason="`make test-contract` installs TypeScript, given Node",
)
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


def assert_reported(portal: LivePortal, said: list[str], run_id: str, root) -> None:
    assert said[0] == f"{run_id}: standard (NOT_STARTED)"
    assert ", A:pass B:fail C:not_run" in said[1]
    service = portal.client(portal.a_token(f"reader of {run_id}"))
    # A worker judges the gates, perhaps before the program asks how the run stands.
    wait_until(
        lambda: service.get(f"/api/v1/runs/{run_id}").json()["status"] == "failed"
    )
    for file in (each for each in root.rglob("*") if each.is_file()):
        path = file.relative_to(root).as_posix()
        kept = service.get(f"/api/v1/runs/{run_id}/artifacts/{path}")
        assert kept.content == file.read_bytes(), path
