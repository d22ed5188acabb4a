"""The release gate from its evidence to everybody, by four people in a browser.

One of the two who sign does it on a telephone.
"""

import re

import pytest

from tests.browser.crawling import DESKTOP, PHONE
from tests.builders import PASSWORD
from tests.live import KEY, LivePortal, wait_until

browser = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser
expect = browser.expect
PREPARE = """
from django.db import transaction
from drills.domain.scenarios import Scenario
from portal.services import actors
from rollout.services import freezes
from tests.builders import a_person, an_actor
from tests.drills.signing import a_counting_drill, a_verification, the_gate
from tests.rollout.builders import KEY, an_open_stage

with transaction.atomic():  # no worker begins a drill that is over
    for role in ("engineer", "architect", "qa", "operator"):
        person = a_person(role, name=f"The {role}")
        person.must_change_password = False
        person.save_as(actors.host(), reason="They know their password.")
    stage = an_open_stage(
        3, judged_gates=(), promote_bar=None, floor=None, coverage_steps=(50, 100)
    )
    observer = an_actor("qa", name="An observer")
    for scenario in Scenario:
        a_counting_drill(scenario, stage, observer=observer)
    a_verification()
    freezes.confirm_on_call(KEY, by=an_actor("operator", name="On call"), reason="here")
    the_gate()
"""


@pytest.fixture(scope="module")
def portal(state_directory):
    live = LivePortal(state_directory)
    live.start()
    wait_until(lambda: live.query("SELECT digest FROM drills_verificationhost"))
    live.manage("shell", "--no-imports", "--verbosity", "0", code=PREPARE)
    yield live
    live.stop()


def sign_in(page, portal: LivePortal, role: str) -> None:
    page.context.clear_cookies()
    page.goto(f"{portal.url}/admin/")
    page.fill("[name=username]", f"the-{role}")
    page.fill("[name=password]", PASSWORD)
    page.click("[type=submit]")
    page.wait_for_url(f"{portal.url}/admin/")


def open_gate(page, portal: LivePortal) -> None:
    number = portal.query("SELECT id FROM drills_releasegate WHERE letter = 'F'")[0][0]
    page.goto(f"{portal.url}/admin/drills/releasegate/{number}/change/")


def press(page, title: str) -> None:
    page.locator(".acts a.act", has_text=re.compile(f"^{re.escape(title)}$")).click()


def send(page, title: str) -> None:
    page.get_by_role("button", name=title, exact=True).first.click()


def signs(page, portal: LivePortal, role: str, called: str) -> None:
    """Read, tick, read the statement, type the password, sign."""
    sign_in(page, portal, role)
    open_gate(page, portal)
    press(page, f"Sign as {called}")
    for tick in page.locator(".rubric-row input[type=checkbox]").all():
        tick.check()
    page.check("[name=verdict][value=pass]")
    page.fill("[name=reason]", "I have read all of it.")
    send(page, "Show what would happen")
    expect(page.get_by_text("What you sign")).to_be_visible()
    page.fill("[name=password]", PASSWORD)
    send(page, "Sign this statement")
    expect(page.get_by_text("Signed: ")).to_be_visible()


def test_four_people_open_the_last_stage_for_everybody(page, portal):
    sign_in(page, portal, "engineer")
    open_gate(page, portal)
    press(page, "Assemble an evidence pack")
    page.fill("[name=reason]", "All is there.")
    send(page, "Assemble an evidence pack")
    wait_until(lambda: portal.query("SELECT id FROM drills_evidencepack"))
    page.reload()
    expect(page.get_by_text("✓ complete").first).to_be_visible()

    # Whoever asked for the pack has submitted it; nobody signs alone, or too early.
    expect(page.get_by_text("Sign as architect")).to_have_count(0)
    signs(page, portal, "architect", "architect")
    open_gate(page, portal)
    expect(page.get_by_text("not signed").first).to_be_visible()
    page.set_viewport_size(PHONE)
    signs(page, portal, "qa", "QA")
    page.set_viewport_size(DESKTOP)
    open_gate(page, portal)
    expect(page.get_by_text("✓ signed").first).to_be_visible()

    sign_in(page, portal, "engineer")
    open_gate(page, portal)
    press(page, "Ask for general availability")
    page.fill("[name=reason]", "Everybody, now.")
    send(page, "Ask for general availability")
    number = portal.query(
        "SELECT id FROM portal_approval WHERE state = 'pending' ORDER BY id DESC"
    )[0][0]
    sign_in(page, portal, "architect")
    page.goto(f"{portal.url}/admin/portal/approval/{number}/change/")
    press(page, "Confirm")
    page.fill("[name=reason]", "Both of us signed.")
    page.fill("[name=password]", PASSWORD)
    send(page, "Confirm")
    expect(page.get_by_text("Confirmed and done")).to_be_visible()

    assert portal.query(
        "SELECT coverage FROM rollout_stage JOIN rollout_rollout rollout "
        f"ON rollout.id = rollout_id WHERE rollout.key = '{KEY}' AND position = 3"
    ) == [(100,)]
    open_gate(page, portal)
    expect(page.get_by_text("✓ open")).to_be_visible()
