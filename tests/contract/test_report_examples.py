"""The programs that report a run, as the guide for services shows them."""

import json
import subprocess
import sys

import pytest

from tests.contract.programs import (
    EXAMPLES,
    STRICT,
    TSC,
    needs_typescript,
    reported,
)
from tests.live import LivePortal, wait_until
from tests.rollout.documents import a_manifest, some_gates, spent

pytestmark = pytest.mark.contract


@pytest.fixture(scope="module")
def portal(state_directory):
    """One that lets runs in, and goes on when one fails."""
    live = LivePortal(state_directory)
    live.start()
    live.manage("seed_demo")
    live.only_count_failures()
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


def test_the_python_example_reports_a_run(portal, tmp_path):
    root = a_root(tmp_path / "run", "from-python")

    said = reported(portal, sys.executable, str(EXAMPLES / "report_run.py"), str(root))

    assert_reported(portal, said, "from-python", root)


@needs_typescript
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


def test_a_run_that_is_not_let_in_reports_nothing(portal, tmp_path):
    root = a_root(tmp_path / "run", "of-nobody")
    manifest = json.loads((root / "manifest.json").read_text())
    (root / "manifest.json").write_text(json.dumps(manifest | {"mode": "other"}))

    said = reported(portal, sys.executable, str(EXAMPLES / "report_run.py"), str(root))

    assert said == ["of-nobody: standard (NOT_ADMITTED)"]


def assert_reported(portal: LivePortal, said: list[str], run_id: str, root) -> None:
    assert said[0] == f"{run_id}: option_c (ADMITTED)"
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
