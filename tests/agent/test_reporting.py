"""An agent as a process: what lies in the runs root is in the portal, byte for byte."""

import json
import os
import signal

import pytest

from rollout.models import Artifact, Decision, Run, RunDocument, RunEvent
from rollout.services import vault
from tests.live import wait_until
from tests.rollout.documents import a_manifest, an_event, lines, raw, some_gates

pytestmark = pytest.mark.django_db(transaction=True)


def stored(run_id: str = "run-1") -> dict[str, bytes]:
    """The newest bytes of every path of a run."""
    newest = Artifact.objects.filter(run__run_id=run_id).order_by("path", "version")
    return {each.path: b"".join(vault.read(each.digest)) for each in newest}


def on_disk(place, run_id: str = "run-1") -> dict[str, bytes]:
    root = place.runs / run_id
    files = [path for path in root.rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def test_a_run_root_is_decided_for_and_reported_byte_for_byte(place):
    place.a_run()
    place.put("run-1/wave-1/p1.md", b"# One\n\xff\x00")
    place.put("run-1/big.bin", os.urandom(3 * 1024 * 1024))
    place.put("run-1/logs/telemetry.jsonl", lines(an_event(1), an_event(2)))

    place.start()
    wait_until(lambda: stored() == on_disk(place))

    run = Run.objects.get()
    assert (run.reported_status, run.is_admitted, run.kind) == ("running", True, "live")
    assert bytes(RunDocument.objects.get(kind="manifest").raw) == raw(a_manifest())
    assert list(RunEvent.objects.values_list("seq", flat=True)) == [1, 2]


def test_changes_follow_and_what_is_the_same_is_not_sent_again(place):
    place.a_run()
    place.put("run-1/wave-1/p1.md", b"one")
    place.start()
    wait_until(lambda: "wave-1/p1.md" in stored())
    place.stop(signal.SIGKILL)
    place.start()
    place.put("run-1/gates.json", raw(some_gates(revision=2, passed="A")))
    place.put("run-1/manifest.json", raw(a_manifest(revision=2, status="completed")))
    place.put("run-1/wave-1/p2.md", b"two")

    wait_until(lambda: stored() == on_disk(place))

    run = Run.objects.get()
    assert (run.reported_status, run.gates["A"]["status"]) == ("completed", "pass")

    def sent() -> list[str]:
        return [line["path"] for line in place.said("sent")]

    wait_until(lambda: "wave-1/p2.md" in sent())  # it says so after the portal has it
    assert (sent().count("wave-1/p1.md"), sent().count("wave-1/p2.md")) == (1, 1)


def test_half_written_files_are_waited_for_and_never_guessed(place):
    root = place.a_run()
    place.start()
    wait_until(Run.objects.filter(manifest_revision=1).exists)
    whole = raw(a_manifest(revision=2, status="paused"))
    (root / "manifest.json").write_bytes(whole[:-9])
    (root / "logs").mkdir()
    (root / "logs/telemetry.jsonl").write_bytes(lines(an_event(1)) + b'{"seq')
    wait_until(lambda: RunEvent.objects.exists())
    assert Run.objects.get().manifest_revision == 1

    (root / "manifest.json").write_bytes(whole)

    wait_until(lambda: Run.objects.get().reported_status == "paused")
    assert RunEvent.objects.count() == 1


def test_what_can_be_no_artifact_is_left_out_with_a_note(place):
    root = place.a_run()
    (root / "etc").symlink_to("/etc")
    (root / "passwd").symlink_to("/etc/passwd")
    os.mkfifo(root / "pipe")
    (root / "draft.md.tmp.12").write_text("x")
    place.put("run-1/logs/telemetry.jsonl", b'{"no": "event"}\n' + lines(an_event(2)))
    place.configure(top={"largest_file_bytes": 5000})
    place.put("run-1/large.bin", b"x" * 5001)

    done = place.run("--once")

    said = [json.loads(line) for line in done.stderr.splitlines()]
    notes = {line["path"] for line in said if line["event"] == "left_out"}
    odd = {"etc", "passwd", "pipe", "large.bin", "logs/telemetry.jsonl"}
    assert notes == odd
    assert done.returncode == 1
    assert not {"etc", "passwd", "pipe", "draft.md.tmp.12", "large.bin"} & set(stored())
    assert list(RunEvent.objects.values_list("seq", flat=True)) == [2]


def test_a_run_that_had_ended_before_it_was_found_is_only_reported(place):
    place.a_run(status="completed")

    assert place.run("--once").returncode == 0

    run = Run.objects.get()
    assert (run.reported_status, run.is_admitted) == ("completed", False)
    assert not Decision.objects.exists()


def test_a_ledger_names_roots_that_lie_deeper_but_none_outside(place):
    deep = place.runs / "2026" / "run-2"
    deep.mkdir(parents=True)
    (deep / "manifest.json").write_bytes(raw(a_manifest("run-2", status="completed")))
    outside = place.folder / "run-3"
    outside.mkdir()
    (outside / "manifest.json").write_bytes(raw(a_manifest("run-3")))
    ledger = b"".join(
        b'{"run_root": "%s"}\n' % str(path).encode() for path in (deep, outside)
    )
    place.put("runs-ledger.jsonl", ledger + b'{"run_root"')

    done = place.run("--once")

    assert list(Run.objects.values_list("run_id", flat=True)) == ["run-2"]
    assert "lies outside of the runs root" in done.stderr
