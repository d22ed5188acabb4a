"""Verification runs: asked for, carried out by a worker, kept, and what they stop."""

import shutil
from datetime import timedelta

import pytest
import time_machine
from django.core.management import call_command

from drills.models import VerificationHost, VerificationResult, VerificationRun
from drills.services import readiness, verification
from portal import clock
from portal.domain.canonical import digest_of
from portal.errors import NotAllowed, WrongMoment
from portal.models import LedgerEntry
from portal.models.tracked import SilentChange
from rollout.domain.readiness import Light
from rollout.models import TriggerFiring
from tests.builders import an_actor
from tests.rollout.builders import KEY, a_rollout, a_running_stage
from tests.rollout.conftest import carry_out_jobs  # noqa: F401

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap"),
]
CHECK = """
[[check]]
name = "{name}"
title = "Title of {name}"
proves = "That it works."
argv = ["{{python}}", "-c", "{code}"]
"""


@pytest.fixture
def holds(settings, tmp_path):
    """Puts checks into the verification file: a name, and what Python does."""
    settings.VERIFICATION_FILE = tmp_path / "verification.toml"

    def write(**codes: str) -> None:
        checks = [CHECK.format(name=n, code=code) for n, code in codes.items()]
        settings.VERIFICATION_FILE.write_text("".join(checks))

    return write


@pytest.fixture
def verify(carry_out_jobs):  # noqa: F811
    """Asks for a run and has it carried out."""

    def verify() -> VerificationRun:
        run = verification.start(KEY, by=an_actor("engineer"), reason="before widening")
        carry_out_jobs()
        return VerificationRun.objects.select_related("verdict").get(pk=run.pk)

    return verify


def the_check(stage):
    return readiness.verification_green(stage)


def test_a_run_whose_checks_all_pass_lets_the_stage_go_on_for_a_week(holds, verify):
    stage = a_running_stage()
    holds(one="print('fine')", two="print('token=abc123')")
    verification.look_at_file()
    assert the_check(stage).light == Light.RED

    run = verify()

    assert (run.verdict.has_passed, run.verdict.says) == (True, "All 2 checks passed.")
    assert the_check(stage).light == Light.GREEN
    with time_machine.travel(clock.now() + timedelta(days=6, hours=1), tick=False):
        assert the_check(stage).light == Light.AMBER
    with time_machine.travel(clock.now() + timedelta(days=7), tick=False):
        assert the_check(stage).light == Light.RED


def test_what_was_said_is_kept_without_secrets_and_its_digest_is_in_the_ledger(
    holds, verify
):
    a_rollout()
    holds(one="print('token=abc123')")

    run = verify()

    result = run.results.get()
    assert "token=[redacted]" in result.transcript
    assert "abc123" not in result.transcript.split("\n", 1)[1]
    line = LedgerEntry.objects.get(verb="drills.verification.checked")
    assert result.transcript_digest in line.body
    with pytest.raises(SilentChange):
        result.save()


def test_output_that_steers_a_terminal_is_kept_as_what_can_be_seen(holds, verify):
    a_rollout()
    holds(
        one="import os; os.write(1, "
        "bytes.fromhex('ff001b5b324a0d0a9b07e280ae') + b'password=abc123')"
    )

    run = verify()

    said = run.results.get().transcript.split("\n", 1)[1]
    assert said == (
        "\N{REPLACEMENT CHARACTER}\N{SYMBOL FOR NULL}\N{SYMBOL FOR ESCAPE}[2J\n"
        "\N{REPLACEMENT CHARACTER}\N{SYMBOL FOR BELL}\N{REPLACEMENT CHARACTER}"
        "password=[redacted]"
    )


def test_a_check_that_fails_stops_the_rollout_until_it_was_run_again(holds, verify):
    stage = a_running_stage()
    holds(one="print('fine')", two="raise SystemExit(4)")
    verification.look_at_file()

    run = verify()

    assert run.verdict.says == "Title of two: failed (exit 4)."
    assert the_check(stage).light == Light.RED
    firing = TriggerFiring.objects.get()
    assert firing.trigger.kind == "verification_failed"

    holds(one="print('fine')", two="print('mended')")
    verification.look_at_file()
    verify()

    assert the_check(stage).light == Light.GREEN


def test_a_green_run_of_another_file_proves_nothing(holds, verify):
    stage = a_running_stage()
    holds(one="print('fine')")
    verification.look_at_file()
    verify()

    holds(one="print('fine')", two="print('new')")
    verification.look_at_file()

    assert the_check(stage).light == Light.RED
    assert "has changed since" in the_check(stage).says


def test_a_run_whose_worker_died_goes_on_where_it_was(holds, carry_out_jobs):  # noqa: F811
    a_rollout()
    holds(one="print('again?')", two="print('two')")
    run = verification.start(KEY, by=an_actor("qa"), reason="test")
    suite = verification.suite_here()
    VerificationResult(
        run=run,
        name="one",
        suite_digest=suite.digest,
        outcome="passed",
        exit_code=0,
        started_at=clock.now(),
        duration_s=1,
        transcript="before it died",
        transcript_digest=digest_of("before it died"),
        output_size=1,
        sandbox="bubblewrap",
    ).save()

    carry_out_jobs()

    run = VerificationRun.objects.get()
    assert run.verdict.has_passed
    assert run.results.get(name="one").transcript == "before it died"
    assert run.results.count() == 2


def test_there_is_one_at_a_time_and_only_for_whoever_may(holds):
    a_rollout()
    holds(one="print(1)")
    running = verification.start(KEY, by=an_actor("operator"), reason="test")

    with pytest.raises(WrongMoment) as refusal:
        verification.start(KEY, by=an_actor("engineer"), reason="test")
    with pytest.raises(NotAllowed):
        verification.start(KEY, by=an_actor("auditor"), reason="test")

    assert refusal.value.facts["running"] == running.pk


@pytest.mark.parametrize("content", [None, "check = 1"])
def test_a_file_that_is_missing_or_broken_fails_the_run_and_says_why(
    settings, tmp_path, verify, content
):
    stage = a_running_stage()
    settings.VERIFICATION_FILE = tmp_path / "verification.toml"
    if content is not None:
        settings.VERIFICATION_FILE.write_text(content)
    host = verification.look_at_file()

    run = verify()

    assert not run.verdict.has_passed
    assert run.verdict.says == host.error
    assert the_check(stage).light == Light.RED


def test_the_shipped_file_is_a_suite(settings):
    settings.VERIFICATION_FILE = settings.BASE_DIR / "verification.toml"

    host = verification.look_at_file()

    assert host.error == ""
    assert [each["name"] for each in host.checks] == [
        "feature-flags",
        "fallback-path",
        "watchdog-timeout",
        "fallback-offer",
    ]


def test_the_host_says_what_its_file_holds(holds, capsys):
    holds(one="print(1)")

    call_command("check_verification", "--json")

    assert '"name": "one"' in capsys.readouterr().out
    assert VerificationHost.objects.get().error == ""
