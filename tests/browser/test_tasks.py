"""What people come for most often, done by them: at a desk, on a telephone, and where
scripts are off. (The gate is signed in `test_signing.py`.)
"""

import re

import pytest

from tests.browser.crawling import DESKTOP, PHONE, Window
from tests.browser.lived_in import WORD, carry_out, lived_in
from tests.live import KEY, LivePortal

browser = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser
expect = browser.expect


THE_ENGINEER = "SELECT id FROM portal_person WHERE username = 'the-engineer'"


class Worker:
    """Somebody in a window of their own."""

    def __init__(self, portal: LivePortal, window: Window):
        self.portal, self.window = portal, window
        self.page = self.window.page

    def opens(self, path: str) -> None:
        self.page.goto(f"{self.portal.url}{path}")

    def opens_row(self, model: str, where: str) -> None:
        """The page of the newest row of a table for which this holds."""
        table = model.replace("/", "_")
        found = self.portal.query(
            f"SELECT id FROM {table} WHERE {where} ORDER BY id DESC LIMIT 1"
        )
        self.opens(f"/admin/{model}/{found[0][0]}/change/")

    def presses(self, title: str) -> None:
        """A button of the page, whether it acts at once or leads to a form."""
        exactly = re.compile(f"^\\s*{re.escape(title)}\\s*$")
        self.page.locator(".acts .act", has_text=exactly).first.click()

    def does(self, title: str, /, **said: str) -> None:
        """Press a button, fill in the form, send it."""
        self.presses(title)
        for name, value in {"reason": f"{title}: as it should be.", **said}.items():
            field = self.page.locator(f"[name={name}]")
            if field.count() > 1:  # a box each
                self.page.check(f"[name={name}][value={value}]")
            elif field.evaluate("each => each.tagName") == "SELECT":
                field.select_option(value)
            else:
                field.fill(value)
        self.page.get_by_role("button", name=title, exact=True).first.click()

    def reads(self, text: str | re.Pattern) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible()


@pytest.fixture(scope="module")
def portal(state_directory):
    live = lived_in(state_directory)
    yield live
    live.stop()


@pytest.fixture(scope="module")
def session_of(chromium, portal):
    """Everybody signs in once."""
    known: dict[str, dict] = {}

    def session(role: str) -> dict:
        if role not in known:
            window = Window(chromium, portal.url, DESKTOP, "light")
            known[role] = window.sign_in(f"the-{role}", WORD)
            window.close()
        return known[role]

    return session


@pytest.fixture(
    params=[(DESKTOP, True), (PHONE, True), (DESKTOP, False)],
    ids=["at a desk", "on a telephone", "without scripts"],
)
def somebody(request, chromium, portal, session_of):
    """Lets people of a role come in; whatever their pages complain of fails."""
    size, has_scripts = request.param
    there: list[Worker] = []

    def comes(role: str) -> Worker:
        window = Window(
            *(chromium, portal.url, size, "light"),
            has_scripts=has_scripts,
            session=session_of(role),
        )
        worker = Worker(portal, window)
        there.append(worker)
        return worker

    yield comes
    for worker in there:
        worker.window.close()
    assert [each.window.seen.complaints for each in there] == [[] for _ in there]


def confirms_the_newest(worker: Worker) -> None:
    worker.opens_row("portal/approval", "state = 'pending'")
    worker.does("Confirm", password=WORD)
    worker.reads("Confirmed and done")


def test_an_operator_stops_everything_and_two_others_let_it_go_on(somebody):
    operator = somebody("operator")
    operator.opens_row("rollout/switch", f"rollout_id = ({the_rollout()})")
    operator.does("Engage the switch")
    operator.reads(re.compile("engaged", re.IGNORECASE))

    engineer = somebody("engineer")
    engineer.opens_row("rollout/switch", f"rollout_id = ({the_rollout()})")
    engineer.does("Ask for the release")
    confirms_the_newest(somebody("architect"))


def test_an_operator_holds_a_stage_and_two_others_end_the_hold(somebody):
    operator = somebody("operator")
    open_stage = f"rollout_id = ({the_rollout()}) AND state IN ('running','promotable')"
    operator.opens_row("rollout/stage", open_stage)
    operator.does("Hold")
    operator.reads(re.compile("holding", re.IGNORECASE))

    engineer = somebody("engineer")
    held = f"rollout_id = ({the_rollout()}) AND state = 'holding'"
    engineer.opens_row("rollout/stage", held)
    engineer.does("Ask to end the hold")
    confirms_the_newest(somebody("architect"))


def test_an_operator_takes_the_fallback_of_a_run_that_failed(somebody):
    operator = somebody("operator")
    operator.opens("/admin/")
    operator.opens_row("rollout/run", "awaits_fallback")

    operator.presses("Take the fallback")

    operator.reads(re.compile("standard workflow", re.IGNORECASE))


def test_an_operator_opens_an_incident_and_acknowledges_it(somebody, portal):
    operator = somebody("operator")
    operator.opens("/admin/drills/incident/")

    number = portal.query("SELECT count(*) FROM drills_incident")[0][0]
    title = f"Sources do not answer, {number}"
    operator.does("Open an incident", title=title, severity="3")
    operator.presses("Acknowledge")
    operator.does("Add a note", reason="Somebody at the provider is looking.")

    operator.reads("Somebody at the provider is looking.")


def test_an_operator_confirms_that_they_are_on_call(somebody):
    operator = somebody("operator")
    operator.opens_row("rollout/rollout", f"key = '{KEY}'")

    operator.does("Confirm that I am on call")

    operator.reads("You are on call until")


def test_an_engineer_asks_what_a_team_would_get_and_why(somebody):
    engineer = somebody("engineer")
    decision = f"rollout_id = ({the_rollout()}) AND key = 'PAI_DR_CLI_ENABLED'"
    engineer.opens_row("rollout/flag", decision)
    engineer.page.fill("[name=team]", "history")
    engineer.page.get_by_role("button", name="What would it get?").click()

    engineer.reads("Nothing is recorded by trying.")


def test_an_engineer_proposes_a_change_and_an_architect_approves_it(somebody, portal):
    carry_out(portal, "propose_more_runs")
    architect = somebody("architect")
    architect.opens_row("rollout/change", "state = 'open'")
    architect.does("Approve", password=WORD)

    engineer = somebody("engineer")
    engineer.opens_row("rollout/change", "state = 'approved'")
    engineer.does("Apply now")

    engineer.reads(re.compile("applied", re.IGNORECASE))


def test_an_administrator_invites_somebody_and_hands_over_a_link(somebody, portal):
    administrator = somebody("administrator")
    number = portal.query("SELECT count(*) FROM portal_person")[0][0]
    administrator.opens("/admin/portal/person/")

    administrator.does("Invite a person", username=f"new-{number}", full_name="New One")

    administrator.reads(re.compile("once"))


def test_an_administrator_lets_a_service_in(somebody, portal):
    administrator = somebody("administrator")
    number = portal.query("SELECT count(*) FROM portal_apitoken")[0][0]
    administrator.opens("/admin/portal/apitoken/")

    administrator.does(
        "Make a token",
        name=f"service {number}",
        owner=str(portal.query(THE_ENGINEER)[0][0]),
        rollout=KEY,
        scopes="read",
    )

    administrator.reads("Shown only now.")
    token = administrator.page.locator(".secret").first.inner_text().strip()
    assert portal.client(token).get("/api/v1/rollouts").status_code == 200


def test_an_auditor_finds_who_did_what(somebody):
    auditor = somebody("auditor")
    auditor.opens("/admin/portal/ledgerentry/")
    auditor.page.fill("[name=text]", "Engage the switch")
    auditor.page.locator(".search-ledger button").click()

    found = auditor.page.locator("table.plain tbody tr").first
    expect(found).to_contain_text(re.compile("the.operator", re.IGNORECASE))


def the_rollout() -> str:
    return f"SELECT id FROM rollout_rollout WHERE key = '{KEY}'"


def test_going_back_to_a_refused_form_finds_the_form(chromium, portal, session_of):
    window = Window(
        chromium, portal.url, DESKTOP, "light", session=session_of("operator")
    )
    page, form = window.page, f"{portal.url}/admin/drills/incident/act/open/"
    send = page.get_by_role("button", name="Open an incident", exact=True)
    page.goto(form)
    send.click()
    expect(page.locator(".field-error").first).to_be_visible()

    page.goto(f"{portal.url}/admin/")
    page.go_back()

    expect(send).to_be_visible()
    assert page.url == form
    window.close()
