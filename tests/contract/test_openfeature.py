"""The stock Python client of OpenFeature, as a service would use it."""

import pytest

from tests.live import KEY, LivePortal

openfeature = pytest.importorskip("openfeature")
ofrep = pytest.importorskip("openfeature.contrib.provider.ofrep")

from openfeature import api  # noqa: E402
from openfeature.evaluation_context import EvaluationContext  # noqa: E402
from openfeature.flag_evaluation import Reason  # noqa: E402

pytestmark = pytest.mark.contract

ASKED = {
    "team": "alpha",
    "mode": "standard",
    "query_class": "fixture_replay",
    "sensitivity": "no_web",
}
GETTERS = {"bool": "boolean", "integer": "integer"}


@pytest.fixture(scope="module")
def portal(state_directory):
    """A portal with the demo's running stage."""
    live = LivePortal(state_directory, DEMO="1")
    live.start()
    yield live
    live.stop()


@pytest.fixture(scope="module")
def service(portal):
    return portal.client(portal.a_token())


@pytest.fixture
def client(portal):
    """The client with its provider."""
    token = portal.a_token("openfeature", "decide")
    api.set_provider(
        ofrep.OFREPProvider(
            portal.url, headers_factory=lambda: {"Authorization": f"Bearer {token}"}
        )
    )
    yield api.get_client()
    api.shutdown()


def evaluate(client, flag: dict):
    """One flag by the getter of its type; the default would be told from a value."""
    getter = GETTERS.get(flag["type"], "string")
    defaults = {"boolean": None, "integer": -1, "string": "default"}
    context = EvaluationContext("run-contract", ASKED)
    return getattr(client, f"get_{getter}_details")(
        flag["key"], defaults[getter], context
    )


def test_every_flag_is_evaluated_with_its_own_type_also_when_killed(
    portal, service, client
):
    flags = service.get("/api/v1/flags").json()
    flags = flags["results"] if isinstance(flags, dict) else flags
    decided = service.post(
        "/api/v1/decisions",
        json={"run_id": "run-contract", **ASKED},
        headers={"Idempotency-Key": "run-contract"},
    ).json()
    assert decided["workflow"] == "option_c"
    for flag in flags:
        found = evaluate(client, flag)
        assert found.error_code is None, found
        wanted = decided["flags"][flag["key"]]
        assert found.value == ("" if wanted is None else wanted)
        assert type(found.value) is (str if wanted is None else type(wanted))
        assert found.variant

    portal.manage("engage_switch", KEY, "--reason", "The contract says so.")
    for flag in flags:
        found = evaluate(client, flag)
        assert found.error_code is None, found
        assert found.reason == Reason.DISABLED
        if flag["key"] == "PAI_DR_CLI_ENABLED":
            assert found.value is False


def test_what_is_not_there_or_not_allowed_is_the_default_with_a_reason(portal, client):
    missing = client.get_boolean_details("NOPE", True, EvaluationContext("r"))
    assert (missing.value, str(missing.error_code.value)) == (True, "FLAG_NOT_FOUND")

    wrong = client.get_boolean_details(
        "PAI_DR_CLI_MODE_DEFAULT", True, EvaluationContext("r")
    )
    assert (wrong.value, str(wrong.error_code.value)) == (True, "TYPE_MISMATCH")

    api.set_provider(ofrep.OFREPProvider(portal.url))
    refused = api.get_client().get_boolean_details(
        "PAI_DR_CLI_ENABLED", False, EvaluationContext("r")
    )
    assert refused.value is False
    assert refused.error_code is not None
