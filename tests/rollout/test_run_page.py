"""The page of a run: what is the matter, and what somebody can do about it."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from drills.models import Incident
from drills.services import links
from portal import clock
from portal.services import actors
from rollout.models import Artifact, Routing, Run
from rollout.services import artifacts, directives, documents, scans, watchdog
from rollout.services.decisions import decide_for
from tests.builders import an_actor, the_last_line
from tests.drills.builders import an_incident
from tests.rollout.builders import ASKED, KEY, a_running_stage
from tests.rollout.documents import a_manifest, raw, some_gates, spent
from tests.rollout.test_admin import page, signed_in
from tests.rollout.test_admin_canary import words
from tests.rollout.test_scans import FINE, WITH_SECRET

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(service) -> Run:
    """A run that was let in and works in its first wave."""
    a_running_stage()
    decide_for(KEY, {"run_id": "run-1", **ASKED}, by=service, reason="asks")
    documents.receive_manifest(
        KEY, "run-1", raw(a_manifest()), by=service, reason="reported"
    )
    return Run.objects.get()


@pytest.fixture
def failed(run, service, carry_out_jobs) -> Run:
    """It has failed gate B for good, and falls back."""
    act = {"by": service, "reason": "reported"}
    documents.receive_manifest(
        KEY, "run-1", raw(a_manifest(revision=2, **spent())), **act
    )
    documents.receive_gates(
        KEY, "run-1", raw(some_gates(failed="B", notes="two bad, token=abcdef")), **act
    )
    carry_out_jobs()
    run.refresh_from_db()
    return run


def read(client, run: Run) -> str:
    return client.get(page(Run, "change", run.pk)).content.decode()


def keep(run: Run, service, path: str, content: bytes) -> Artifact:
    kept, _ = artifacts.store(
        KEY, run.run_id, path, [content], by=service, reason="reported"
    )
    return kept


def linked(run: Run) -> Incident:
    """An incident that somebody has opened and linked to the run."""
    opened, by = an_incident(), an_actor("operator")
    links.link(opened.pk, "run", run.run_id, by=by, reason="this one")
    return opened


def test_a_run_that_works_says_so_and_can_be_told_to_stop(client, run):
    signed_in(client, "operator")

    body = read(client, run)

    assert "It works in wave1." in body
    for act in ("pause", "cancel", "reroute", "export"):
        assert page(Run, act, run.pk) in body
    assert page(Run, "resume", run.pk) not in body
    assert "Decided again now, from the recorded snapshot: the same." in body


def test_a_run_that_fell_back_says_why_and_is_sent_on_with_one_click(client, failed):
    signed_in(client, "operator")

    body = read(client, failed)
    client.post(page(Run, "take_fallback", failed.pk), {"reason": "It takes over."})

    assert "Gate B (Wave output contract compliance) failed for good" in body
    assert "Nobody has taken its fallback" in body
    assert "Nobody has looked at the failure of gate B." in body
    assert "abcdef" not in body
    assert Routing.objects.get().means == "admin"
    assert the_last_line()[1] == "rollout.run.fallback_taken"
    assert "Nobody has taken its fallback" not in read(client, failed)


def test_a_directive_that_nobody_follows_is_overdue(client, run):
    signed_in(client, "operator")
    by = an_actor("operator")
    directives.issue(KEY, "run-1", "pause", by=by, reason="The disk is full.")

    before = read(client, run)
    with time_machine.travel(clock.now() + timedelta(minutes=3)):
        after = read(client, run)

    assert "overdue" not in before
    assert "It has not followed “pause”: overdue." in after
    assert re.search(r"(1 min 59 s|2 min( \d s)?) overdue", after)


def test_files_show_their_versions_and_what_the_scan_says(client, run, service):
    keep(run, service, "a.md", b"first")
    for content in (FINE, WITH_SECRET):
        kept = keep(run, service, "a.md", content)
        scans.scan(kept.digest, by=actors.system(), reason="test")
    fine = keep(run, service, "b.md", FINE)
    signed_in(client, "operator")

    body = read(client, run)

    assert "2 before" in body
    assert "✗ blocked" in body
    assert "… waiting for its scan" in body
    assert "The safety scan has blocked 1 of its files: a secret." in body
    address = reverse("artifact", args=["run-1", "b.md"])
    assert f'href="{address}?rollout={KEY}&amp;version=1" download' in body
    assert reverse("artifact", args=["run-1", "a.md"]) not in body
    given = client.get(f"{address}?rollout={KEY}&version=1")
    assert given.getvalue() == FINE
    assert page(Artifact, "change", fine.pk) in body


def test_incidents_about_a_run_are_on_its_page(client, run):
    opened = linked(run)
    signed_in(client, "auditor")

    body = read(client, run)

    assert reverse("admin:drills_incident_change", args=[opened.pk]) in body
    assert f"Incident {opened.pk} · {opened.title} is open." in body


@pytest.mark.parametrize(
    ("path", "content", "shown"),
    [
        ("a.json", b'{"b":[1,2]}', "{\n  &quot;b&quot;: [\n    1,\n    2\n  ]\n}"),
        ("a.json", b"{half", "{half"),
        ("a.json", b"[" * 10_000, "[[[[["),
        ("a.md", b"<script>x</script>", "&lt;script&gt;x&lt;/script&gt;"),
        ("a.md", "é".encode() * 40_000, "This is how it begins"),
        ("a.bin", b"\0\1\2", "No text; download it."),
        ("a.bin", b"\xff\xfe", "No text; download it."),
        ("a.log", b"password=hunter22", "password=[redacted]"),
    ],
)
def test_a_preview_is_safe_and_bounded(client, run, service, path, content, shown):
    kept = keep(run, service, path, content)
    signed_in(client, "auditor")

    answer = client.get(page(Artifact, "change", kept.pk))

    assert shown in answer.content.decode()
    assert len(answer.content) < 200_000


def queries_of(client, run: Run) -> int:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        read(client, run)
    return len(asked)


def test_the_page_costs_the_same_with_more_of_everything(client, failed, service):
    signed_in(client, "operator")
    linked(failed)
    kept = keep(failed, service, "a.md", WITH_SECRET)
    scans.scan(kept.digest, by=actors.system(), reason="test")
    read(client, failed)  # what is asked once per process
    before = queries_of(client, failed)

    for number in range(20):
        keep(failed, service, "a.md", b"%d" % number)
        kept = keep(failed, service, f"{number}.md", WITH_SECRET + b"%d" % number)
        scans.scan(kept.digest, by=actors.system(), reason="test")
    linked(failed)

    assert queries_of(client, failed) == before
    assert before < 50


def test_the_words_of_the_research_system_are_marked_and_are_for_one_request(
    client, failed
):
    signed_in(client, "auditor")

    body = read(client, failed)

    assert (
        "In the research system's own words, and for this request only: “disable "
        "Option C and run standard workflow”."
    ) in body
    assert "Steps of the run" in body
    assert "depth (mode)" in body


def test_whoever_cannot_take_a_fallback_reads_who_can(client, failed):
    signed_in(client, "auditor")
    told = read(client, failed)
    signed_in(client, "operator")
    offered = read(client, failed)

    can = "an architect, QA, an engineer or an operator can take it"
    assert (can in told, "above, records" in told) == (True, False)
    assert (can in offered, "above, records" in offered) == (False, True)


def test_metrics_stand_with_their_limits(client, run, service):
    gates = some_gates()
    gates["gates"]["E"]["metrics"] = {"uncited_numeric_claims": 3}
    documents.receive_gates(KEY, "run-1", raw(gates), by=service, reason="reported")
    signed_in(client, "auditor")

    said = words(read(client, run))

    assert "uncited numeric claims 3 (at most 0)" in said


def test_a_run_that_the_watchdog_ended_says_who_serves_its_request_now(client, run):
    with time_machine.travel(clock.now() + timedelta(hours=1)):
        watchdog.time_out(run.pk, by=actors.system(), reason="test")
    signed_in(client, "auditor")

    said = words(read(client, run))

    assert "Nobody serves its request by this" in said
    assert "is told the standard workflow, and has to send the request there" in said
