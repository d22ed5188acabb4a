"""What docs/how-to/service.md shows is taken as it stands, and its figures are true."""

import json
import re

import pytest
from django.conf import settings
from django.core.management import call_command

from portal.api.pagination import NewestFirst
from rollout.domain import contexts, directives, gates
from rollout.domain.decisions import Reason
from rollout.domain.runs import TIMEOUTS_S, RunStage
from rollout.edge import http, streams, tickets, waiting
from rollout.services.documents import DEFAULT_CONFIRM_AFTER_S
from tests.portal.test_api_guide import ROOT
from tests.rollout.builders import ASKED, a_running_stage, a_service
from tests.rollout.test_api import Caller

GUIDE = (ROOT / "docs/how-to/service.md").read_text()
EXAMPLES = ROOT / "docs" / "examples"


@pytest.fixture
def call(client, service) -> Caller:
    return Caller(client, a_service()[1])


@pytest.mark.django_db
def test_the_documents_of_the_guide_are_taken_in_their_order(call):
    a_running_stage()
    decided = call.post("decisions", {"run_id": "run-1", **ASKED}).json()

    manifest = call.put(
        "runs/run-1/manifest", (EXAMPLES / "manifest.json").read_bytes()
    )
    events = call.post("runs/run-1/events", (EXAMPLES / "events.ndjson").read_bytes())
    passed = call.put("runs/run-1/gates", (EXAMPLES / "gates.json").read_bytes())
    failed = call.put("runs/run-1/gates", (EXAMPLES / "gates-failed.json").read_bytes())

    assert decided["workflow"] == "option_c"
    assert (manifest.status_code, manifest.json()["is_admitted"]) == (201, True)
    assert events.json() == {"received": 3, "new": 3, "last_seq": 3, "gaps": []}
    assert (passed.status_code, passed.json()["confirm_at"]) == (201, None)
    assert (passed.json()["drift"], failed.status_code) == ({}, 201)
    assert failed.json()["confirm_at"] is not None


@pytest.mark.django_db
def test_the_retries_of_the_guide_are_spent_when_it_says_so(call, carry_out_jobs):
    metrics = json.loads(re.search(r'  (\{"retry_counts".*?\]\})', GUIDE, re.S)[1])
    manifest = json.loads((EXAMPLES / "manifest.json").read_text())
    failing = json.loads((EXAMPLES / "gates-failed.json").read_text())

    call.put("runs/run-1/gates", json.dumps(failing).encode())
    planned = manifest | {"metrics": metrics}
    call.put("runs/run-1/manifest", json.dumps(planned).encode())
    carry_out_jobs()
    before = call.get("runs/run-1").json()
    failing["revision"], failing["gates"]["B"]["checked_at"] = 3, "2026-01-31T12:10:00Z"
    call.put("runs/run-1/gates", json.dumps(failing).encode())
    carry_out_jobs()
    after = call.get("runs/run-1").json()
    taken = call.post("runs/run-1/fallback-offer/take", {"standard_run_id": "s-1"})

    assert (before["status"], before["awaits_fallback"]) == ("running", False)
    assert (after["status"], after["awaits_fallback"]) == ("failed", True)
    assert taken.json()["routing"]["standard_run_id"] == "s-1"


def test_the_openapi_document_describes_documents_by_their_own_schemas(tmp_path):
    path = tmp_path / "schema.json"
    call_command("spectacular", "--format", "openapi-json", "--file", str(path))
    document = json.loads(path.read_text())
    put = document["paths"]["/api/v1/runs/{run_id}/manifest"]["put"]
    content = put["requestBody"]["content"]["application/json"]

    assert content["schema"] == {"$ref": "#/components/schemas/Manifest"}
    (example,) = content["examples"].values()
    assert example["value"] == json.loads((EXAMPLES / "manifest.json").read_text())
    required = {
        name: document["components"]["schemas"][name]["required"]
        for name in ("Manifest", "Gates", "Event")
    }
    assert "artifacts" in required["Manifest"]
    assert "inputs_digest" in required["Gates"]
    assert "event_type" in required["Event"]


def test_the_openapi_document_orders_its_parts_and_says_what_each_needs(tmp_path):
    path = tmp_path / "schema.json"
    call_command("spectacular", "--format", "openapi-json", "--file", str(path))
    document = json.loads(path.read_text())
    operations = [each for item in document["paths"].values() for each in item.values()]

    tags = [tag["name"] for tag in document["tags"]]
    assert tags[:2] == ["decisions", "runs"]
    assert {tag for each in operations for tag in each["tags"]} == set(tags)
    assert all(tag["description"] for tag in document["tags"])
    for each in operations:
        assert re.search(r"Needs (the scope `|a person \()", each["description"]), each


@pytest.mark.parametrize(
    "says",
    [
        f"after {DEFAULT_CONFIRM_AFTER_S} seconds without a newer revision",
        f"within {directives.DUE_AFTER_S} seconds",
        f"something is asked, {waiting.LONGEST_WAIT_S:.0f} seconds at most",
        f"({', '.join(f'{gate} {cap}' for gate, cap in gates.RETRY_CAPS.items())})",
        f"up to {contexts.LONGEST_RUN_ID} characters",
        f"At most {contexts.MOST_ATTRIBUTES}, and {http.LARGEST_BODY // 1024} KiB",
        f"documents up to {settings.MAX_DOCUMENT_BYTES >> 20} MiB, events and all else "
        f"up to {settings.MAX_EVENTS_BYTES >> 20} MiB",
        f"{settings.API_READS_PER_MINUTE} a minute each",
        f"{settings.EDGE_REQUESTS_PER_SECOND} a second",
        f"{NewestFirst.page_size} of them or `?limit=` "
        f"(1 to {NewestFirst.max_page_size};",
        f"for {settings.STREAM_TICKET_SECONDS // 60} to "
        f"{settings.STREAM_TICKET_SECONDS // 30} minutes",
        f"beats every {streams.BEAT_EVERY_S:.0f} seconds",
        f'"inactivityDelaySec": {tickets.INACTIVITY_S}',
        f"`kind` is {', '.join(f'`{k}`' for k in list(directives.DirectiveKind)[:-1])}",
    ],
)
def test_the_figures_of_the_guide_are_those_of_the_code(says):
    assert says in re.sub(r"\s+", " ", GUIDE)


def test_the_limits_of_the_guide_are_those_of_the_gates():
    said: dict[str, dict[str, str]] = {}
    rows = re.findall(
        r"^ +\| ([C-E])[^|]*\| (`[^|]+) \| (at \w+) ([\d., ]+) \|$", GUIDE, re.M
    )
    for gate, metrics, kind, bars in rows:
        names = re.findall(r"`(\w+)`", metrics)
        for name, bar in zip(names, bars.split(", "), strict=True):
            said.setdefault(gate, {})[name] = f"{kind} {bar}"

    for gate in "CDE":
        assert said[gate] == gates.bounds_of(gate, is_no_web=False, limits={})
    assert f"at least {gates.PARSEABLE_BAR:g} |" in GUIDE


def test_the_reasons_of_the_guide_are_those_of_decisions():
    for reason in Reason:
        assert f"`{reason}`" in GUIDE


@pytest.mark.django_db
def test_a_status_that_its_metrics_contradict_is_answered_as_drift(call):
    document = json.loads((EXAMPLES / "gates.json").read_text())
    document["gates"]["B"]["metrics"] = {"validated_count": 1, "failed_count": 1}

    answer = call.put("runs/run-1/gates", json.dumps(document).encode())

    assert answer.json()["drift"] == {
        "B": ["50% of the outputs are parseable, 80% is needed"]
    }


def test_the_timeouts_of_the_guide_are_those_of_the_table():
    said = re.search(r"ended as hung after .*? other\s+stages", GUIDE, re.S)[0]
    rest = int(re.search(r"(\d+) in the other", said)[1])
    named = {
        stage: int(seconds)
        for seconds, stages in re.findall(
            r"(\d+)(?: seconds without any)? in (`[^0-9]+)", said
        )
        for stage in re.findall(r"`(\w+)`", stages)
    }

    assert {stage: named.get(stage, rest) for stage in RunStage} == TIMEOUTS_S
