"""The verification suite that ships, carried out by a drills worker in the sandbox."""

import json
import shutil

import pytest

from tests.live import ROOT, LivePortal, wait_until

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap"),
]
SHIPPED = (ROOT / "verification.toml").read_text()
LAST = "[[check]]" + SHIPPED.split("[[check]]")[-1]  # one is enough to fail and to mend


@pytest.fixture
def suite(tmp_path):
    """A file in place of the shipped one, so that it can be broken."""
    path = tmp_path / "verification.toml"
    path.write_text(SHIPPED)
    return path


@pytest.fixture
def portal(state_directory, suite):
    live = LivePortal(state_directory, VERIFICATION_FILE=str(suite))
    live.start()
    live.manage("seed_demo")
    yield live
    live.stop()


def verify(portal: LivePortal) -> tuple[int, dict]:
    """Have it carried out; the exit status, and the answer."""
    done = portal.carry_out("run_verification", "--json")
    assert done.stdout, done.stderr[-2000:]
    return done.returncode, json.loads(done.stdout)


def is_green(portal: LivePortal) -> bool:
    """Whether the readiness of the running stage says so of verification."""
    service = portal.client(portal.a_token(f"reader {len(portal.clients)}"))
    checks = service.get("/api/v1/stages/offline-baseline/readiness").json()["checks"]
    (found,) = [each for each in checks if each["name"] == "Verification green"]
    return found["light"] == "green"


def has_looked(portal: LivePortal, digest: str) -> bool:
    """Whether the worker has found other checks in its file than these."""
    return portal.query("SELECT digest FROM drills_verificationhost") != [(digest,)]


def test_the_shipped_suite_passes_and_one_that_fails_blocks_until_it_is_green_again(
    portal, suite
):
    status, said = verify(portal)

    outcomes = {each["name"]: each["outcome"] for each in said["results"]}
    assert outcomes == {
        "feature-flags": "passed",
        "fallback-path": "passed",
        "watchdog-timeout": "passed",
        "fallback-offer": "passed",
    }
    assert (status, said["has_passed"]) == (0, True)
    transcripts = portal.query(
        "SELECT transcript, sandbox, outlived FROM drills_verificationresult"
    )
    assert all(" passed in " in transcript for transcript, _, _ in transcripts)
    assert {sandbox.split()[0] for _, sandbox, _ in transcripts} == {"bubblewrap"}
    assert {outlived for _, _, outlived in transcripts} == {0}
    assert is_green(portal)

    # A check whose tests are gone.
    suite.write_text(LAST.replace("test_fallback_offer.py", "gone.py"))
    wait_until(lambda: has_looked(portal, said["suite"]))
    assert not is_green(portal)  # another file proves nothing yet
    status, failed = verify(portal)

    assert status == 1
    assert failed["says"] == "Fallback offer on a hard gate: failed (exit 4)."
    assert not is_green(portal)

    suite.write_text(LAST)
    wait_until(lambda: has_looked(portal, failed["suite"]))
    assert not is_green(portal)  # to mend it is not enough
    status, mended = verify(portal)

    assert (status, mended["has_passed"]) == (0, True)
    assert is_green(portal)
