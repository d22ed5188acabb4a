"""Change requests over HTTP."""

from datetime import timedelta

import pytest

from portal import clock
from portal.models import Approval
from rollout.domain.flags import WAVE1_AGENTS
from rollout.models import Change, Snapshot
from rollout.services import configuration
from tests.rollout.builders import ASKED, KEY, a_running_stage, a_service, approved
from tests.rollout.test_api import Caller, code_of

pytestmark = pytest.mark.django_db

DEFAULT = f"/flags/{WAVE1_AGENTS}/default"


def to(value, path=DEFAULT) -> dict:
    patch = [{"op": "replace", "path": path, "value": value}]
    return {"reason": "because", "patch": patch}


@pytest.fixture
def call(client, service) -> Caller:
    return Caller(client, a_service("read", "operate", "decide")[1])


def test_what_exposes_less_is_applied_as_it_is_proposed(call):
    done = call.post("changes", to(3))

    change = done.json()
    assert (done.status_code, change["state"], change["risk"]) == (
        201,
        "applied",
        "safer",
    )
    assert change["edits"] == [
        {"path": DEFAULT, "before": 6, "after": 3, "risk": "safer"}
    ]
    assert change["revision"] == Snapshot.objects.order_by("-revision")[0].revision
    assert call.get(f"flags/{WAVE1_AGENTS}").json()["default"] == 3


def test_the_same_key_proposes_once(call):
    first = call.post("changes", to(9), key="once").json()
    again = call.post("changes", to(9), key="once").json()

    assert first["id"] == again["id"]
    assert Change.objects.count() == 1


def test_the_life_of_a_change_that_takes_two(call):
    path = f"changes/{call.post('changes', to(9)).json()['id']}"
    assert code_of(call.post(f"{path}/apply", {"reason": "now"})) == (
        409,
        "APPROVAL_REQUIRED",
    )
    said = call.post(f"{path}/comments", {"reason": "Nine is what we measured."})
    assert said.status_code == 201
    assert [each["text"] for each in call.get(f"{path}/comments").json()] == [
        "Nine is what we measured."
    ]
    tag = call.get(path)["etag"]
    edited = call.patch(path, to(8), **{"if-match": tag})
    assert edited.json()["edits"][0]["after"] == 8
    assert code_of(call.patch(path, to(7), **{"if-match": tag})) == (
        412,
        "PRECONDITION_FAILED",
    )
    assert code_of(call.patch(path, to(7))) == (428, "PRECONDITION_REQUIRED")

    approved(Change.objects.get())
    later = (clock.now() + timedelta(hours=1)).isoformat()
    scheduled = call.post(f"{path}/schedule", {"reason": "tonight", "at": later})
    assert scheduled.json()["state"] == "scheduled"
    done = call.post(f"{path}/apply", {"reason": "now after all"}).json()

    assert (done["state"], done["scheduled_for"]) == ("applied", None)
    assert call.get(f"flags/{WAVE1_AGENTS}").json()["default"] == 8


def test_a_token_neither_approves_nor_rejects(call):
    path = f"changes/{call.post('changes', to(9)).json()['id']}"

    assert code_of(call.post(f"{path}/reject", {"reason": "no"}))[0] == 403
    assert code_of(call.post(f"{path}/approve", {"reason": "yes"}))[0] == 404
    assert Approval.objects.get().state == "pending"


def test_a_moved_base_is_refused_with_the_conflict_and_rebased(call):
    path = f"changes/{call.post('changes', to(9)).json()['id']}"
    call.post("changes", to(5))

    refused = call.post(f"{path}/rebase", {"reason": "moved"})
    assert refused.json()["state"] == "open"
    assert refused.json()["edits"][0]["before"] == 5
    approved(Change.objects.get(pk=path.removeprefix("changes/")))
    call.post("changes", to(4))
    moved = call.post(f"{path}/apply", {"reason": "now"})
    assert code_of(moved) == (409, "CHANGE_BASE_MOVED")
    assert moved.json()["conflicts"] == [{"path": DEFAULT, "expected": 5, "found": 4}]
    assert call.post(f"{path}/cancel", {"reason": "never mind"}).json()["state"] == (
        "cancelled"
    )


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"reason": "nothing asked"}, 422, "SCHEMA_VALIDATION_FAILED"),
        (to(9) | {"restore_revision": 1}, 422, "SCHEMA_VALIDATION_FAILED"),
        ({"patch": []}, 422, "SCHEMA_VALIDATION_FAILED"),
        (to(51), 422, "CONFIGURATION_INVALID"),
        (to(6), 422, "NOTHING_CHANGES"),
        (to(1, "/flags/NOPE/default"), 422, "PATCH_INVALID"),
        ({"reason": "x", "restore_revision": 99}, 404, "NOT_FOUND"),
        ({"reason": "x", "configuration": {}}, 422, "SCHEMA_VALIDATION_FAILED"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(call, body, status, code):
    assert code_of(call.post("changes", body)) == (status, code)
    assert not Change.objects.exists()


def test_changes_are_listed_by_state_and_found_by_number(call):
    call.post("changes", to(3))
    open_one = call.post("changes", to(9)).json()["id"]

    assert [c["id"] for c in call.get("changes?state=open").json()["items"]] == [
        open_one
    ]
    assert len(call.get("changes").json()["items"]) == 2
    assert code_of(call.get("changes?state=nonsense"))[0] == 422
    assert code_of(call.get("changes/999"))[0] == 404
    for number in ("x", "²", "9" * 5000):
        assert code_of(call.get(f"changes/{number}"))[0] == 404


def test_another_rollouts_token_sees_nothing(call, client):
    made = call.post("changes", to(9)).json()["id"]
    stranger = Caller(client, a_service("read", "operate", rollout="other")[1])

    assert code_of(stranger.get(f"changes/{made}"))[0] == 404
    assert code_of(stranger.post(f"changes/{made}/cancel", {"reason": "x"}))[0] == 404


def test_credentials_in_addresses_are_never_shown(call):
    secret = "https://user:password@example.org/x?token=abc"
    path = "/flags/PAI_DR_CLI_CITATIONS_APIFY_ENDPOINT/default"
    made = call.post("changes", to(secret, path)).json()

    assert "password" not in str(made)
    assert "abc" not in str(made)
    approved(Change.objects.get())
    call.post(f"changes/{made['id']}/apply", {"reason": "now"})
    decided = call.post("decisions", {"run_id": "r1", **ASKED}).json()
    pages = (
        *("flags", f"changes/{made['id']}", "snapshots/compare?old=1&new=2"),
        *(f"decisions/{decided['decision_id']}", f"changes/{made['id']}/preview"),
    )
    for page in pages:
        assert "password" not in call.get(page).content.decode(), page
    tried = call.post("try", {"context": {"team": "alpha"}}, key=None)
    assert "password" not in tried.content.decode()
    # The run itself gets what it needs.
    assert decided["flags"]["PAI_DR_CLI_CITATIONS_APIFY_ENDPOINT"] == secret


def test_the_preview_says_who_would_be_decided_for_differently(call):
    stage = a_running_stage()
    for number in range(4):
        asked = {**ASKED, "team": "alpha" if number % 2 else "beta"}
        call.post("decisions", {"run_id": f"r{number}", **asked})
    path = f"/stages/{stage.key}/plan/teams"
    made = call.post("changes", to(["alpha"], path) | {"waits": True}).json()

    found = call.get(f"changes/{made['id']}/preview").json()

    assert (found["compared"], found["different"], found["kept_out"]) == (4, 2, 2)
    assert {each["run_id"] for each in found["shown"]} == {"r0", "r2"}
    assert ["workflow", "option_c", "standard"] in found["shown"][0]["changes"]


def test_an_applied_change_has_no_preview(call):
    made = call.post("changes", to(3)).json()

    found = call.get(f"changes/{made['id']}/preview")

    assert code_of(found) == (409, "NOTHING_TO_PREVIEW")


def test_the_configuration_goes_out_and_comes_back(call, service):
    document = call.get("configuration").json()
    document["flags"][WAVE1_AGENTS]["default"] = 2

    back = call.post("changes", {"reason": "from staging", "configuration": document})

    assert back.json()["origin"] == "import"
    assert back.json()["state"] == "applied"
    assert call.get("configuration").json() == document
    tag = call.get("configuration")["etag"]
    assert call.get("configuration", **{"if-none-match": tag}).status_code == 304
    assert call.get("configuration/schema").json()["title"] == "configuration.v1"


def test_two_revisions_are_compared(call):
    call.post("changes", to(3))
    call.post("changes", to(2))

    assert call.get("snapshots/compare?old=1&new=3").json() == [
        {"path": DEFAULT, "before": 6, "after": 2}
    ]
    assert [s["revision"] for s in call.get("snapshots").json()["items"]] == [3, 2, 1]
    assert code_of(call.get("snapshots/compare?old=1&new=9"))[0] == 404
    assert code_of(call.get("snapshots/compare?old=x&new=9"))[0] == 422


def test_a_context_is_tried_now_and_in_the_past(call):
    before = clock.now().isoformat()
    call.post("changes", to(3))
    asked = {"context": {"team": "alpha"}, "flag": WAVE1_AGENTS}

    now = call.post("try", asked, key=None).json()
    then = call.post("try", asked | {"at": before}, key=None).json()

    assert (now["flags"][WAVE1_AGENTS], then["flags"][WAVE1_AGENTS]) == (3, 6)
    assert now["reason"] == "NOT_STARTED"
    assert now["flag_steps"][-1]["says"] == "The default is 3."
    long_ago = asked | {"at": "2001-01-01T00:00:00Z"}
    assert code_of(call.post("try", long_ago, key=None))[0] == 404
    assert code_of(call.post("try", asked | {"flag": "NOPE"}, key=None))[0] == 404


def test_the_cost_of_a_proposal_does_not_grow_with_the_past(
    call, django_assert_max_num_queries
):
    for number in range(5):
        call.post("changes", to(6 - 1 - number))

    with django_assert_max_num_queries(50):
        call.post("changes", to(9))
    with django_assert_max_num_queries(8):
        call.get("changes")
    assert configuration.read(Change.objects.first().rollout)
    assert KEY


def test_a_list_shows_the_first_edits_and_counts_the_others(call):
    document = call.get("configuration").json()
    for name in list(document["flags"])[:5]:
        document["flags"][name]["description"] = "In other words."
    made = call.post(
        "changes", {"reason": "Wording.", "configuration": document, "waits": True}
    ).json()
    assert (made["edit_count"], len(made["edits"])) == (5, 5)

    (listed,) = call.get("changes").json()["items"]

    assert listed["edit_count"] == 5
    assert listed["first_edits"] == [
        {name: edit[name] for name in ("path", "before", "after")}
        for edit in made["edits"][:3]
    ]
    assert "edits" not in listed
