"""The signing page, and what goes wrong on it; the API, which reads and never signs."""

import json
import re
import zipfile
from io import BytesIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils.html import escape

from drills.domain.incidents import Severity
from drills.domain.release_gates import GATE_F
from drills.models import EvidencePack, ReleaseGate, Signoff
from drills.services import availability, packs
from drills.services.sources import rows_of
from portal import search
from portal.models import Approval
from portal.services import actors, sealing
from rollout.models import Stage
from tests.builders import PASSWORD, an_actor
from tests.drills.builders import an_incident
from tests.drills.signing import (
    a_pack,
    a_ready_gate,
    a_signed_gate,
    a_verification,
    the_gate,
)
from tests.rollout.builders import KEY, a_rollout, a_service, confirmed
from tests.rollout.test_admin import page, signed_in
from tests.rollout.test_admin_canary import words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sealer")]
HEADERS = {"HTTP_IDEMPOTENCY_KEY": "one"}


def read(client, gate: ReleaseGate) -> str:
    answer = client.get(page(ReleaseGate, "change", gate.pk))
    assert answer.status_code == 200
    return answer.content.decode()


def hidden(body: str) -> dict[str, str]:
    return dict(
        re.findall(r'type="hidden" name="(once|rests_on)" value="([^"]*)"', body)
    )


def filled_in(body: str, **more: str) -> dict[str, str]:
    ticks = {f"tick-{n}": "on" for n in range(len(GATE_F.rubric))}
    said = {"verdict": "pass", "reason": "I have read all of it."}
    return ticks | said | hidden(body) | more


def address_of(gate: ReleaseGate, role: str = "architect") -> str:
    return page(ReleaseGate, f"sign_as_{role}", gate.pk)


def shown_in(body: str) -> str:
    found = re.search(r'name="shown" value="([^"]+)"', body)
    assert found, re.sub(r"<[^>]+>", " ", body)
    return found[1]


def test_an_architect_reads_the_statement_and_signs_it(client):
    gate = a_ready_gate()
    a_pack(gate)
    signed_in(client, "architect")
    body = client.get(address_of(gate)).content.decode()

    first = client.post(address_of(gate), filled_in(body)).content.decode()
    done = client.post(
        address_of(gate), filled_in(body, shown=shown_in(first), password=PASSWORD)
    )

    signed = Signoff.objects.get()
    assert done.status_code == 302
    assert "What you sign" in first
    assert 'type="password"' in first
    assert 'type="password"' not in body
    assert signed.statement.split("\n")[0] in re.sub(r"<[^>]+>", "", first)
    record = client.get(done["Location"]).content.decode()
    assert signed.statement_digest in record


def test_a_form_that_is_sent_twice_signs_once(client):
    gate = a_ready_gate()
    a_pack(gate)
    signed_in(client, "qa")
    body = client.get(address_of(gate, "qa")).content.decode()
    first = client.post(address_of(gate, "qa"), filled_in(body)).content.decode()
    said = filled_in(body, shown=shown_in(first), password=PASSWORD)

    answers = [client.post(address_of(gate, "qa"), said) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [302, 302]
    assert Signoff.objects.count() == 1


def test_a_wrong_password_signs_nothing(client):
    gate = a_ready_gate()
    a_pack(gate)
    signed_in(client, "architect")
    body = client.get(address_of(gate)).content.decode()
    first = client.post(address_of(gate), filled_in(body)).content.decode()

    answer = client.post(
        address_of(gate), filled_in(body, shown=shown_in(first), password="a guess")
    )

    said = answer.content.decode()
    assert answer.status_code == 422
    assert "That is not your password." in said
    assert "Look again." not in said
    assert shown_in(said) == shown_in(first)
    assert not Signoff.objects.exists()


def test_a_page_whose_pack_has_changed_meanwhile_signs_nothing_and_says_what(client):
    gate = a_ready_gate()
    a_pack(gate)
    signed_in(client, "architect")
    body = client.get(address_of(gate)).content.decode()
    first = client.post(address_of(gate), filled_in(body)).content.decode()
    a_verification()

    answer = client.post(
        address_of(gate), filled_in(body, shown=shown_in(first), password=PASSWORD)
    )

    said = answer.content.decode()
    assert answer.status_code == 422
    assert "This was not done." in said
    assert "Verification: Fallback path" in said
    assert not Signoff.objects.exists()


def test_who_had_a_part_reads_why_they_may_not_sign(client):
    gate = a_ready_gate()
    person = signed_in(client, "architect", "engineer")
    a_pack(gate, by=actors.for_person(person))
    body = client.get(address_of(gate)).content.decode()

    answer = client.post(address_of(gate), filled_in(body))

    assert answer.status_code == 422
    assert "had a part in what is in this pack" in answer.content.decode()
    assert "submitter of pack 1" in read(client, gate)


def test_the_page_shows_the_evidence_with_its_age_end_and_way_to_it(
    client, django_assert_max_num_queries
):
    gate, _ = a_signed_gate()
    signed_in(client, "auditor")

    with django_assert_max_num_queries(260):
        body = read(client, gate)

    for item in GATE_F.rubric:
        assert escape(item.says) in body
    for each in GATE_F.requirements:
        assert escape(each.title) in body
    assert "/admin/drills/drill/" in body
    assert "✓ signed" in body
    assert "sign_as_" not in body


def test_who_may_sign_is_said_before_there_is_a_pack(client):
    gate = a_ready_gate()
    person = signed_in(client, "architect", "engineer")
    a_verification(by=actors.for_person(person))
    involved = words(read(client, gate))
    signed_in(client, "qa")
    free = words(read(client, gate))
    signed_in(client, "auditor")
    nobody = words(read(client, gate))

    for said in (involved, free, nobody):
        assert "It takes two people, an architect and QA, neither of whom has" in said
        assert "An engineer or an operator can have one assembled" in said
    assert "You , as architect: ✗ no." in involved
    assert "conductor of verification" in involved
    assert "You , as QA: ✓ yes, once there is a pack." in free
    assert "You are neither architect nor QA" in nobody


def test_without_a_pack_the_gate_is_not_to_be_signed_but_waits_for_one(client):
    gate = a_ready_gate()
    signed_in(client, "architect")
    last = gate.rollout.stages.get(position=3)

    before, page_before = availability.gate_signed(last), words(read(client, gate))
    a_pack(gate)
    after, page_after = availability.gate_signed(last), words(read(client, gate))

    assert "waits for an evidence pack; an engineer or an operator" in before.says
    assert f"Gate F signed : {before.says}" in page_before
    assert (before.remedy, after.remedy) == ("See the gate", "Sign the gate")
    for said in (page_before, page_after):  # a link to itself leads nowhere
        assert "See the gate" not in said
        assert "Sign the gate" not in said


def test_a_requirement_with_nothing_there_has_no_digest(client):
    a_rollout()
    gate = the_gate()
    signed_in(client, "auditor")

    body = read(client, gate)

    missing = next(row.digest for row in rows_of(gate) if not row.reading.rests_on)
    assert "✗ missing" in body
    assert missing not in body


def test_the_page_of_the_last_stage_leads_to_its_gate(client):
    a_rollout()
    gate = the_gate()
    signed_in(client, "auditor")

    first, last = (
        client.get(page(Stage, "change", stage.pk)).content.decode()
        for stage in (
            gate.rollout.stages.get(position=0),
            gate.rollout.stages.get(position=3),
        )
    )

    assert "comes general availability" in last
    assert page(ReleaseGate, "change", gate.pk) in last
    assert "Nothing comes next" not in last
    assert "comes general availability" not in first


@pytest.mark.parametrize("words", ["gate F", "release gate f", "Rollout saf"])
def test_a_gate_is_found_by_its_letter_and_its_title(words):
    a_rollout()
    the_gate()

    found = [(each.kind, each.title) for each in search.find(words)]

    assert ("Release gates", "Gate F: Rollout safety") in found


@pytest.mark.parametrize("words", ["stage 3", "broad-roll", "Broad rollout", "3: br"])
def test_a_stage_is_found_by_its_number_its_name_and_its_key(words):
    a_rollout()
    the_gate()

    found = [(each.kind, each.title) for each in search.find(words)]

    assert ("Stages", "Stage 3: Broad rollout") in found


def test_stale_signatures_are_struck_through_with_the_reason(client):
    gate, _ = a_signed_gate()
    an_incident(severity=Severity.HIGH)
    signed_in(client, "auditor")

    body = read(client, gate)

    assert "<s>pass by" in body
    assert "Stale:" in body
    assert "of severity 2" in body
    assert "not signed" in body


def test_every_list_and_page_of_it_can_be_read(client):
    _, pack = a_signed_gate()
    signed_in(client, "auditor")

    for name in ("releasegate", "evidencepack", "signoff", "waiver", "delegation"):
        answer = client.get(reverse(f"admin:drills_{name}_changelist"))
        assert answer.status_code == 200, name
    read_pack = client.get(page(EvidencePack, "change", pack.pk)).content.decode()
    assert pack.pack_hash in read_pack


def test_a_gate_is_proposed_and_approved_on_pages(client):
    gate = a_ready_gate()
    signed_in(client, "engineer")
    address = page(ReleaseGate, "propose", gate.pk)
    other = {**GATE_F.to_json(), "purpose": "Opens it to everybody."}
    body = client.get(address).content.decode()
    broken = client.post(
        address, hidden(body) | {"says": '{"title": 1}', "reason": "t"}
    )

    client.post(address, hidden(body) | {"says": json.dumps(other), "reason": "clear"})

    assert broken.status_code == 422
    asked = Approval.objects.get(act="drills.release_gate.change")
    confirmed(asked)
    gate.refresh_from_db()
    assert (gate.version, gate.purpose) == (2, "Opens it to everybody.")


# The API and the command


def api(client, method: str, path: str, token: str, **said):
    return getattr(client, method)(
        f"/api/v1/{path}",
        **(
            {"data": json.dumps(said), "content_type": "application/json"}
            if method == "post"
            else {}
        ),
        HTTP_AUTHORIZATION=f"Bearer {token}",
        **HEADERS,
    )


def test_the_api_reads_gates_packs_and_signatures(client):
    _, pack = a_signed_gate()
    _, token = a_service("read")

    gates = api(client, "get", "gates", token).json()
    gate = api(client, "get", "gates/F", token).json()
    listed = api(client, "get", "gates/F/packs", token).json()
    whole = api(client, "get", f"evidence-packs/{pack.pack_hash}", token).json()
    signed = api(client, "get", "signoffs?gate=F", token).json()

    assert [each["is_signed"] for each in gates] == [True]
    assert {each["state"] for each in gate["evidence"]} == {"met"}
    assert [each["pack_hash"] for each in listed["items"]] == [pack.pack_hash]
    assert whole["manifest"] == packs.said_in(pack)
    assert {each["role"] for each in signed["items"]} == {"architect", "qa"}
    assert not any(each["is_stale"] for each in signed["items"])


def test_nothing_over_the_api_signs(client):
    gate = a_ready_gate()
    pack = a_pack(gate)
    _, token = a_service()

    answers = [
        api(client, "post", path, token, reason="t", verdict="pass")
        for path in ("signoffs", "gates/F", f"evidence-packs/{pack.pack_hash}")
    ]

    assert {answer.status_code for answer in answers} <= {403, 405}
    assert not Signoff.objects.exists()


def test_a_token_has_a_pack_assembled_and_its_owner_has_submitted_it(client):
    gate = a_ready_gate()
    service, token = a_service("operate")

    asked = api(client, "post", "gates/F/packs", token, reason="Please.")
    pack = packs.assemble(gate.orders.get().pk, by=actors.system(), reason="t")

    assert asked.status_code == 202
    assert pack.participants.filter(person=service.token.owner).exists()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("gates/Z", 422),
        ("gates/A", 404),
        ("evidence-packs/sha256:no", 404),
        ("evidence-packs/x/archive", 404),
        ("signoffs?rollout=nowhere", 403),
    ],
)
def test_bad_questions_are_answered(client, path, status):
    a_ready_gate()
    _, token = a_service("read")

    assert api(client, "get", path, token).status_code == status


def test_the_command_writes_a_pack_that_checks_itself(tmp_path, capsys):
    _, pack = a_signed_gate()
    output = tmp_path / "pack.zip"
    with pytest.raises(CommandError, match="sealed"):
        call_command("export_evidence_pack", KEY, "F", output=output, wait_s=0)
    sealing.seal()
    capsys.readouterr()

    call_command("export_evidence_pack", KEY, "F", output=output, json=True)

    said = json.loads(capsys.readouterr().out)
    assert said["pack_hash"] == pack.pack_hash
    assert [each["role"] for each in said["signatures"]] == ["architect", "qa"]
    assert "ledger.json" in zipfile.ZipFile(BytesIO(output.read_bytes())).namelist()


@pytest.mark.parametrize(
    "said",
    [("nowhere", "F"), (KEY, "Z"), (KEY, "A")],
    ids=["rollout", "letter", "gate"],
)
def test_the_command_says_in_one_line_what_it_cannot_do(tmp_path, said):
    a_ready_gate()

    with pytest.raises(CommandError) as refusal:
        call_command("export_evidence_pack", *said, output=tmp_path / "x.zip")

    assert refusal.value.returncode == 2
    assert "\n" not in str(refusal.value)


def test_an_observer_alone_is_nobody_who_had_a_part():
    pack = a_pack(a_ready_gate(), by=an_actor("operator"))

    parts = [part for each in pack.participants.all() for part in each.parts]

    assert not any("observ" in part for part in parts)
