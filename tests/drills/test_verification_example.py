"""The suite for the research system itself, tried on the stand-in for it."""

import shutil
import subprocess
import sys

import pytest

from drills.models import VerificationRun
from drills.services import verification
from tests.builders import an_actor
from tests.rollout.builders import KEY, a_rollout
from tests.rollout.conftest import carry_out_jobs  # noqa: F401
from tests.standin.installation import ROOT, Installation

EXAMPLE = ROOT / "docs/how-to/verification.example.toml"
CHECKING = [sys.executable, "-m", "rollout.agent.checking"]


def asked(installation: Installation, *words: str) -> subprocess.CompletedProcess:
    """Commands of the stand-in, each after a --."""
    return subprocess.run(
        [*CHECKING, *installation.command, *words],
        cwd=ROOT,
        env=installation.environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.django_db
@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")
def test_every_check_of_the_example_passes_on_a_research_system(
    settings,
    tmp_path,
    carry_out_jobs,  # noqa: F811
):
    a_rollout()
    its_program = '"/opt/research/bin/research"'
    text = EXAMPLE.read_text()
    assert text.count(its_program) == text.count("[[check]]") == 3
    settings.VERIFICATION_FILE = tmp_path / "verification.toml"
    standin = '"{python}", "-S", "-m", "tests.standin"'
    settings.VERIFICATION_FILE.write_text(text.replace(its_program, standin))

    verification.start(KEY, by=an_actor("engineer"), reason="before the agent")
    carry_out_jobs()

    run = VerificationRun.objects.get()
    assert run.verdict.has_passed, [each.transcript for each in run.results.all()]
    said = {each.name: each.transcript for each in run.results.all()}
    assert '"bundle_root":"/tmp/scratch/fixtures/verification"' in said["fixtures"]


def test_a_command_that_refuses_is_not_done_whatever_its_exit_status(tmp_path):
    installation = Installation(tmp_path)
    installation.init("run-1")
    installation.tell("run-1", "pause")
    tick = installation.on("run-1", "tick")
    assert installation.run(*tick).status == 0

    done = asked(installation, "--", *tick, "--", *installation.on("run-1", "resume"))

    assert done.returncode == 1
    assert "refused: PAUSED" in done.stdout
    assert installation.manifest("run-1")["status"] == "paused"  # it went no further


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["/no/such/program", "--", "status"], 1),
        (["/bin/echo", "--", "no JSON"], 1),
        ([], 2),
        (["/bin/true"], 2),
        (["/bin/true", "--"], 2),
    ],
)
def test_what_cannot_be_asked_or_understood_is_not_done(words, status):
    done = subprocess.run([*CHECKING, *words], cwd=ROOT, capture_output=True)

    assert done.returncode == status
