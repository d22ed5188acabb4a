"""Every way in which signing goes wrong, as people meet it in a browser.

Each time the page says why and what to do, keeps what was typed but no password, and
nothing is signed.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from portal.embedded import database_url
from tests.builders import PASSWORD
from tests.live import ROOT, LivePortal, wait_until

browser = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser
expect = browser.expect
NOTE, WHY = "Looked at all four transcripts.", "I have read all of it."


class Meanwhile:
    """What others do, in a process that stays: `tests/browser/happenings.py`."""

    def __init__(self, portal: LivePortal) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.browser.happenings"],
            cwd=ROOT,
            env=portal.environment
            | {"DATABASE_URL": database_url(portal.var), "LOG_LEVEL": "WARNING"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __getattr__(self, happening: str) -> Callable[..., Any]:
        def happens(*said: object) -> Any:
            self.process.stdin.write(json.dumps([happening, *said]) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
            assert answer, f"{happening} failed: its traceback stands above"
            return json.loads(answer)

        return happens


@pytest.fixture(scope="module")
def portal(state_directory):
    live = LivePortal(state_directory)
    live.start()
    wait_until(lambda: live.query("SELECT digest FROM drills_verificationhost"))
    yield live
    live.stop()


@pytest.fixture(scope="module")
def meanwhile(portal):
    others = Meanwhile(portal)
    try:
        others.gate = others.prepare()
        yield others
    finally:
        others.process.communicate(timeout=60)


@pytest.fixture(scope="module")
def sessions() -> dict[str, list]:
    """Who has signed in already, with the cookies."""
    return {}


class Desk:
    """The window of the browser, and what people do in it."""

    def __init__(self, page, portal: LivePortal, gate: int, sessions: dict) -> None:
        self.page, self.portal, self.sessions = page, portal, sessions
        self.gate = f"{portal.url}/admin/drills/releasegate/{gate}/"

    def sits_down(self, name: str) -> None:
        """Somebody signs in, or goes on with the sign-in from before."""
        self.page.context.clear_cookies()
        if name in self.sessions:
            self.page.context.add_cookies(self.sessions[name])
            return
        self.page.goto(f"{self.portal.url}/admin/")
        self.page.fill("[name=username]", name)
        self.page.fill("[name=password]", PASSWORD)
        self.page.click("[type=submit]")
        self.page.wait_for_url(f"{self.portal.url}/admin/")
        self.sessions[name] = self.page.context.cookies()

    def opens_form(self, role: str) -> None:
        """By its address, as a button that is hidden keeps nobody out."""
        self.page.goto(f"{self.gate}act/sign_as_{role}/")

    def fills_in(self, *, verdict: str = "pass", ticks: int = 99) -> None:
        for tick in self.page.locator(".rubric-row input[type=checkbox]").all()[:ticks]:
            tick.check()
        self.page.fill("[name=note-0]", NOTE)
        self.page.check(f"[name=verdict][value={verdict}]")
        self.page.fill("[name=reason]", WHY)

    def looks(self) -> None:
        self.presses("Show what would happen")

    def signs(self, password: str = PASSWORD) -> None:
        """Type the password under the statement and sign."""
        expect(self.page.get_by_text("What you sign")).to_be_visible()
        self.page.fill("[name=password]", password)
        self.presses("Sign this statement")

    def presses(self, title: str) -> None:
        """The button of a form; the next page has come when this is over."""
        button = self.page.get_by_role("button", name=title, exact=True).first
        with self.page.expect_navigation():
            button.click()

    def reads(self, *words: str) -> None:
        """These words stand where the page says no."""
        said = self.page.locator(".refusal, .field-error").all_inner_texts()
        text = re.sub(r"\s+", " ", " ".join(said))
        assert said, self.page.locator("body").inner_text()[:2000]
        for each in words:
            assert each in text, text

    def finds_what_was_typed(self) -> None:
        assert self.page.input_value("[name=note-0]") == NOTE
        assert self.page.input_value("[name=reason]") == WHY
        assert self.page.is_checked("[name=tick-0]")
        for field in self.page.locator("[name=password]").all():
            assert field.input_value() == ""

    def signatures(self, number: int) -> list[tuple]:
        """What is recorded under a pack."""
        return self.portal.query(
            "SELECT signed.name, signed.role FROM drills_signoff signed JOIN "
            "drills_evidencepack pack ON pack.id = pack_id "
            f"WHERE pack.number = {number} ORDER BY signed.id"
        )


@pytest.fixture
def desk(page, portal, meanwhile, sessions) -> Desk:
    return Desk(page, portal, meanwhile.gate, sessions)


def test_a_wrong_password_is_asked_for_again(desk, meanwhile):
    pack = meanwhile.pack()
    desk.sits_down("architect")
    desk.opens_form("architect")
    desk.fills_in()
    desk.looks()

    desk.signs("a guess that is wrong")

    desk.reads("That is not your password.")
    desk.finds_what_was_typed()
    assert desk.signatures(pack) == []
    desk.signs()  # the statement is still there
    expect(desk.page.get_by_text("Signed: ")).to_be_visible()
    assert desk.signatures(pack) == [("architect", "architect")]


def test_a_pass_with_an_item_that_is_not_ticked_is_sent_back(desk, meanwhile):
    pack = meanwhile.pack()
    desk.sits_down("architect")
    desk.opens_form("architect")
    desk.fills_in(ticks=1)

    desk.looks()

    desk.reads("This judgement leaves something open.", "Has to be ticked to pass.")
    desk.finds_what_was_typed()
    assert desk.signatures(pack) == []


def test_evidence_that_changes_before_the_form_is_sent(desk, meanwhile):
    pack = meanwhile.pack()
    desk.sits_down("architect")
    desk.opens_form("architect")
    desk.fills_in()
    meanwhile.other_evidence()

    desk.looks()

    desk.reads("This was not done.", "has changed since you opened it")
    expect(desk.page.get_by_text("a new pack has to be assembled")).to_be_visible()
    expect(desk.page.get_by_text("Verification: Fallback path").first).to_be_visible()
    desk.finds_what_was_typed()
    desk.looks()
    desk.reads(
        f"The evidence is not what is in pack {pack}", "Possible now: assemble a pack"
    )
    desk.finds_what_was_typed()
    assert desk.signatures(pack) == []


def test_evidence_that_changes_while_the_statement_is_read(desk, meanwhile):
    pack = meanwhile.pack()
    desk.sits_down("architect")
    desk.opens_form("architect")
    desk.fills_in()
    desk.looks()
    meanwhile.other_evidence()

    desk.signs()

    desk.reads("This was not done.", "has changed since you opened it")
    expect(desk.page.get_by_text("What you sign")).to_have_count(0)
    desk.finds_what_was_typed()
    assert desk.signatures(pack) == []


def test_another_pack_takes_the_place_of_the_one_on_the_page(desk, meanwhile):
    old = meanwhile.pack()
    desk.sits_down("architect")
    desk.opens_form("architect")
    desk.fills_in()
    desk.looks()
    new = meanwhile.pack()

    desk.signs()

    desk.reads("This was not done.", "has changed since you opened it")
    expect(desk.page.get_by_text(f"The newest pack is {new}")).to_be_visible()
    desk.finds_what_was_typed()
    assert desk.signatures(old) == desk.signatures(new) == []
    desk.looks()
    expect(desk.page.get_by_text(f"evidence pack {new},").first).to_be_visible()
    desk.signs()
    assert desk.signatures(new) == [("architect", "architect")]


def test_one_person_signs_once_though_they_hold_both_roles(desk, meanwhile):
    pack = meanwhile.pack()
    meanwhile.signature("both", "architect")
    desk.sits_down("both")
    desk.opens_form("qa")
    desk.fills_in()

    desk.looks()

    desk.reads("both has signed this pack as architect already; it takes two people.")
    desk.finds_what_was_typed()
    assert desk.signatures(pack) == [("both", "architect")]


def test_a_form_that_is_sent_again_signs_once(desk, meanwhile):
    pack = meanwhile.pack()
    desk.sits_down("architect")
    desk.opens_form("architect")
    desk.fills_in()
    desk.looks()
    said = desk.page.evaluate(
        "Object.fromEntries(new FormData(document.querySelector('form[enctype]')))"
    )
    mark = desk.page.get_attribute("button[name=shown]", "value")
    address = desk.page.url
    desk.signs()
    expect(desk.page.get_by_text("Signed: ")).to_be_visible()

    answers = [
        desk.page.request.post(
            address,
            form={**said, "shown": mark, "password": PASSWORD, "once": once},
            headers={"Referer": address},
        ).text()
        for once in (said["once"], "0" * 32)
    ]

    assert (
        "This form had been sent already; nothing was done a second time"
        in (answers[0])
    )
    assert f"architect has signed pack {pack} as architect already" in answers[1]
    assert desk.signatures(pack) == [("architect", "architect")]


def test_two_clicks_sign_once(desk, meanwhile):
    pack = meanwhile.pack()
    desk.sits_down("qa")
    desk.opens_form("qa")
    desk.fills_in()
    desk.looks()
    desk.page.fill("[name=password]", PASSWORD)

    desk.page.get_by_role("button", name="Sign this statement").dblclick()

    expect(desk.page.locator("body")).to_contain_text(
        re.compile("Signed: |had been sent already")
    )
    assert desk.signatures(pack) == [("qa", "qa")]


def test_a_superuser_who_built_it_does_not_sign_it(desk, meanwhile):
    pack = meanwhile.pack("builder")
    desk.sits_down("builder")
    desk.opens_form("architect")
    desk.fills_in()

    desk.looks()

    desk.reads(
        "builder had a part in what is in this pack",
        f"submitter of pack {pack}",
        "Another architect has to sign.",
    )
    desk.finds_what_was_typed()
    assert desk.signatures(pack) == []


def test_a_pack_that_lacks_something_is_not_signed(desk, meanwhile):
    pack = meanwhile.incomplete_pack()
    desk.sits_down("architect")
    desk.page.goto(f"{desk.gate}change/")
    expect(desk.page.get_by_text("✗ incomplete: it cannot be signed")).to_be_visible()
    expect(desk.page.get_by_text("Sign as architect")).to_have_count(0)
    desk.opens_form("architect")
    desk.fills_in()

    desk.looks()

    desk.reads(
        f"Pack {pack} is incomplete and cannot be signed.",
        "Verification: Fallback path is wanting",
        "Possible now: bring what is missing",
    )
    desk.finds_what_was_typed()
    assert desk.signatures(pack) == []
    meanwhile.other_evidence()


def test_a_round_that_was_sent_back_meanwhile_is_closed(desk, meanwhile):
    pack = meanwhile.pack()
    desk.sits_down("architect")
    desk.opens_form("architect")
    desk.fills_in()
    desk.looks()
    meanwhile.rejection("qa", "qa")

    desk.signs()

    desk.reads(
        "qa has asked for changes; this round is closed",
        "Possible now: make the changes",
    )
    desk.finds_what_was_typed()
    assert desk.signatures(pack) == [("qa", "qa")]
    desk.page.goto(f"{desk.gate}change/")
    expect(desk.page.get_by_text("Sign as architect")).to_have_count(0)


def test_nobody_gives_themselves_a_role_and_a_new_one_waits_a_day(desk, meanwhile):
    pack = meanwhile.pack()
    person = desk.portal.query("SELECT id FROM portal_person WHERE username = 'keeper'")
    desk.sits_down("keeper")
    desk.page.goto(
        f"{desk.portal.url}/admin/portal/person/{person[0][0]}/act/request_role/"
    )
    desk.page.select_option("[name=role]", "qa")
    desk.page.fill("[name=reason]", "I need it now.")
    desk.presses("Ask for a role")
    desk.reads("Nobody can grant a role to themselves; ask another administrator.")
    assert desk.page.input_value("[name=reason]") == "I need it now."
    meanwhile.grant("newcomer", "qa")
    desk.sits_down("newcomer")
    desk.opens_form("qa")
    desk.fills_in()

    desk.looks()

    desk.reads("The role qa was granted less than 24 hours ago; it can sign from")
    desk.finds_what_was_typed()
    assert desk.signatures(pack) == []


def test_a_role_that_is_taken_away_while_the_statement_is_read(desk, meanwhile):
    pack = meanwhile.pack()
    desk.sits_down("loser")
    desk.opens_form("architect")
    desk.fills_in()
    desk.looks()
    meanwhile.revocation("loser", "architect")

    desk.signs()

    expect(desk.page.locator("[name=username]")).to_be_visible()  # signed out
    del desk.sessions["loser"]
    desk.sits_down("loser")
    desk.opens_form("architect")
    desk.fills_in()
    desk.looks()
    desk.reads("loser does not hold the role architect.")
    assert desk.signatures(pack) == []


def test_whoever_is_locked_out_while_reading_has_to_sign_in_and_cannot(desk, meanwhile):
    pack = meanwhile.pack()
    desk.sits_down("leaver")
    desk.opens_form("architect")
    desk.fills_in()
    desk.looks()
    meanwhile.deactivation("leaver")

    desk.signs()

    expect(desk.page.locator("[name=username]")).to_be_visible()
    assert desk.signatures(pack) == []


def test_a_signature_shows_the_name_as_it_was_and_as_it_is(desk, meanwhile):
    meanwhile.pack()
    meanwhile.signature("renamed", "qa")
    meanwhile.other_name("renamed", "Bo Newname")
    meanwhile.deactivation("renamed")
    desk.sits_down("architect")

    desk.page.goto(f"{desk.gate}change/")
    expect(desk.page.get_by_text("pass by renamed as qa").first).to_be_visible()
    expect(desk.page.get_by_text("was deactivated").first).to_be_visible()
    desk.page.get_by_role("link", name="pass by renamed as qa").first.click()

    expect(desk.page.get_by_text("(now Bo Newname, deactivated)")).to_be_visible()
    expect(desk.page.get_by_text("I, renamed, sign as qa")).to_be_visible()


def test_nobody_delegates_to_somebody_who_had_a_part(desk, meanwhile):
    meanwhile.pack("builder")
    desk.sits_down("architect")
    desk.page.goto(f"{desk.portal.url}/admin/drills/delegation/act/delegate_architect/")
    desk.page.select_option("[name=receiver]", "builder")
    desk.page.fill("[name=reason]", WHY)
    desk.page.fill("[name=password]", PASSWORD)

    desk.presses("Delegate my signature as architect")

    desk.reads("builder had a part in what is in", "Somebody else has to sign.")
    assert desk.page.input_value("[name=reason]") == WHY
    assert desk.page.input_value("[name=receiver]") == "builder"
    assert desk.page.input_value("[name=password]") == ""
    assert desk.portal.query("SELECT id FROM drills_delegation") == []
