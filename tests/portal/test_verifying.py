import json

import pytest
from django.core.management import CommandError, call_command

from portal.domain.ledger import Fault
from portal.models import Checkpoint, LedgerEntry, Person
from portal.services import actors, sealer_keys, sealing, verifying
from tests.builders import a_person
from tests.portal.tampering import edit, rehash, tamper

pytestmark = pytest.mark.django_db


@pytest.fixture
def sealed(sealer):
    """Two checkpoints, of 5 and of 8 entries, and a tail of two."""
    a_person("qa", "operator", "engineer")
    assert sealing.seal().size == 5
    a_person("qa", "operator")
    assert sealing.seal().size == 8
    a_person("qa")
    return sealer


def verify_ledger(capsys, *arguments: str) -> tuple[int, dict]:
    status = 0
    try:
        call_command("verify_ledger", "--json", *arguments)
    except CommandError as error:
        status = error.returncode
    out = capsys.readouterr().out
    return status, json.loads(out) if out else {}


def test_a_ledger_that_nobody_touched_is_intact_and_its_tail_is_named(sealed, capsys):
    status, said = verify_ledger(capsys, "--deep")

    assert (status, said["intact"], said["found"]) == (0, True, 0)
    assert (said["entries"], said["sealed"], said["tail"]) == (10, 8, 2)


@pytest.mark.parametrize(
    ("tampering", "seq", "kind"),
    [
        (lambda: (edit(3),), 3, Fault.ALTERED),
        (lambda: (edit(3), rehash(3)), 1, Fault.REWRITTEN),
        (lambda: (edit(7), rehash(7)), 6, Fault.REWRITTEN),
        (
            lambda: tamper("DELETE FROM portal_ledgerentry WHERE seq > 6"),
            7,
            Fault.TRUNCATED,
        ),
        (lambda: tamper("DELETE FROM portal_ledgerentry WHERE seq = 2"), 2, Fault.GAP),
        (
            lambda: [
                tamper("UPDATE portal_ledgerentry SET seq = %s WHERE seq = %s", *move)
                for move in ((100, 6), (6, 7), (7, 100))
            ],
            6,
            Fault.UNLINKED,
        ),
        (
            lambda: tamper("UPDATE portal_checkpoint SET size = 6 WHERE size = 5"),
            5,
            Fault.FORGED,
        ),
        (
            lambda: tamper("DELETE FROM portal_checkpoint WHERE size = 5"),
            5,
            Fault.FORGED,
        ),
    ],
    ids=[
        "edited",
        "edited and re-hashed",
        "the same after a checkpoint",
        "cut off",
        "one deleted",
        "two swapped",
        "a checkpoint of another size",
        "a checkpoint that is gone",
    ],
)
def test_what_was_changed_is_found_and_the_first_bad_entry_named(
    sealed, tampering, seq, kind
):
    tampering()

    first = verifying.verify().first

    assert (first.seq, first.fault) == (seq, kind)


def test_the_command_says_it_with_status_one(sealed, capsys):
    edit(3)

    status, said = verify_ledger(capsys)

    assert (status, said["intact"]) == (1, False)
    assert said["findings"][0]["seq"] == 3


def test_an_old_backup_is_told_by_the_sink_alone(sealed):
    tamper("DELETE FROM portal_ledgerentry WHERE seq > 5")
    tamper("DELETE FROM portal_checkpoint WHERE size > 5")

    first = verifying.verify().first

    assert (first.seq, first.fault) == (6, Fault.TRUNCATED)


def test_checkpoints_that_were_kept_elsewhere_count(sealed, capsys):
    kept = sealed / "kept"
    kept.write_text(Checkpoint.objects.get(size=8).note)
    tamper("DELETE FROM portal_ledgerentry WHERE seq > 5")
    tamper("DELETE FROM portal_checkpoint WHERE size > 5")
    sink = sealed / "checkpoints.jsonl"
    sink.write_text(sink.read_text().splitlines(keepends=True)[0])
    assert verify_ledger(capsys)[0] == 0

    status, said = verify_ledger(capsys, "--checkpoint", str(kept))

    assert (status, said["findings"][0]["kind"]) == (1, "truncated")


def test_without_a_key_from_outside_nobody_can_tell(sealed, capsys):
    key = sealer_keys.own().public
    (sealed / "sealer-key").unlink()

    assert verify_ledger(capsys)[0] == 2
    assert verify_ledger(capsys, "--key", key.text)[0] == 0
    assert verify_ledger(capsys, "--key", key.fingerprint)[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--key", "nonsense"],
        ["--key", "a+b+c"],
        ["--checkpoint", "/nowhere"],
        ["--checkpoint", __file__],
    ],
)
def test_what_cannot_be_used_is_said_with_status_two(sealed, capsys, arguments):
    try:
        status, _ = verify_ledger(capsys, *arguments)
    except SystemExit as ended:
        status = ended.code

    assert status in (1, 2)


def test_a_checkpoint_of_another_portal_says_nothing_about_this_one(sealed, capsys):
    kept = sealed / "kept"
    note = Checkpoint.objects.get(size=8).note
    kept.write_text(note.replace("test.example", "other.example"))

    assert verify_ledger(capsys, "--checkpoint", str(kept))[0] == 2


def test_after_a_rotation_the_old_key_and_the_new_one_tell_the_same(sealed, capsys):
    old = sealer_keys.own().public.text
    sealer_keys.rotate(by=actors.host(), reason="a year is over")
    sealing.seal()
    a_person("qa")
    sealing.seal()
    new = sealer_keys.own().public.text

    for key in (old, new):
        status, said = verify_ledger(capsys, "--key", key)
        assert (status, said["sealed"]) == (0, said["entries"])


def test_an_old_key_vouches_for_nothing_after_it_was_replaced(sealed):
    old = sealer_keys.own()
    sealer_keys.rotate(by=actors.host(), reason="it leaked")
    sealing.seal()
    a_person("qa")
    (sealed / "sealer-key").write_text(old.text)
    (sealed / "sealer-key.next").unlink(missing_ok=True)
    sealing.seal()

    first = verifying.verify(keys=[old.public]).first

    assert first.fault == Fault.FORGED


def test_a_log_that_was_given_up_is_no_finding_and_is_said(sealed, capsys):
    tamper("DELETE FROM portal_ledgerentry WHERE seq > 5")
    tamper("DELETE FROM portal_checkpoint WHERE size > 5")
    a_person("qa")

    call_command(
        "rotate_sealer_key", "--reason", "restored", "--origin", "test.example/2"
    )
    capsys.readouterr()
    sealing.seal()

    status, said = verify_ledger(capsys)
    assert (status, said["found"], said["sealed"]) == (0, 0, 8)
    assert said["remarks"] == ["test.example/ledger was given up after 5"]
    edit(3)
    rehash(1)
    assert verify_ledger(capsys)[0] == 1


def test_deep_finds_a_version_that_was_edited(sealed):
    tamper(
        "UPDATE portal_historicalperson SET full_name = 'x' WHERE history_id = "
        "(SELECT min(history_id) FROM portal_historicalperson)"
    )

    assert verifying.verify().findings == []
    found = verifying.verify(deep=True)
    assert (found.first.seq, found.first.fault) == (1, Fault.VERSION_LOST)


def test_deep_finds_a_version_that_was_added(sealed):
    tamper(
        "INSERT INTO portal_historicalrolegrant SELECT (jsonb_populate_record(h, "
        '\'{"history_id": 99, "role": "architect"}\')).* '
        "FROM portal_historicalrolegrant h ORDER BY history_id LIMIT 1"
    )

    found = verifying.verify(deep=True)

    assert Fault.VERSION_UNNAMED in {each.fault for each in found.findings}


def test_deep_finds_a_row_that_was_changed_without_a_version(sealed):
    tamper("UPDATE portal_person SET is_superuser = true")

    found = verifying.verify(deep=True)

    assert {each.fault for each in found.findings} == {Fault.ROW_CHANGED}
    assert Person.objects.exists()


def test_deep_finds_a_row_that_was_deleted(sealed):
    tamper("DELETE FROM portal_rolegrant WHERE role = 'qa'")

    found = verifying.verify(deep=True)

    assert {each.fault for each in found.findings} == {Fault.ROW_CHANGED}


def test_the_whole_ledger_is_read_by_few_queries(sealed, django_assert_max_num_queries):
    assert LedgerEntry.objects.count() == 10

    with django_assert_max_num_queries(20):
        verifying.verify()
