import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from portal.domain.checkpoints import read_note, read_public_key
from portal.domain.ledger import leaf_of
from portal.domain.merkle import is_consistent, is_included, merkle_root
from portal.domain.verbs import Verb
from portal.errors import NotAllowed, Unavailable, WrongMoment
from portal.models import Checkpoint, LedgerEntry, LedgerNode, SealerKey
from portal.services import actors, proofs, sealer_keys, sealing
from portal.services.sealing import Contradicted
from tests.builders import a_person, an_actor
from tests.portal.tampering import tamper

pytestmark = pytest.mark.django_db


def lines_in(sink: Path) -> list[str]:
    return [json.loads(line)["note"] for line in sink.read_text().splitlines()]


def leaves() -> list[bytes]:
    entries = LedgerEntry.objects.order_by("seq")
    return [leaf_of(entry.body.encode()) for entry in entries]


def test_what_is_in_the_ledger_is_signed_and_handed_to_the_sink(sealer):
    a_person("qa")

    checkpoint = sealing.seal()

    note = read_note(checkpoint.note)
    assert note.checkpoint.size == LedgerEntry.objects.count() == 3
    assert note.checkpoint.root == merkle_root(leaves())
    assert read_public_key(SealerKey.objects.get().text).has_signed(note)
    assert lines_in(sealer / "checkpoints.jsonl") == [checkpoint.note]


def test_the_first_key_is_made_for_its_owner_alone_and_announced(sealer):
    sealing.seal()

    entry = LedgerEntry.objects.get()
    assert (entry.verb, entry.actor_name) == (Verb.SEALER_KEY_ANNOUNCED, "system")
    assert json.loads(entry.body)["details"]["key"] == SealerKey.objects.get().text
    assert (sealer / "sealer-key").stat().st_mode & 0o777 == 0o600


def test_nothing_new_is_nothing_to_sign(sealer):
    sealing.seal()

    assert sealing.seal() is None
    assert Checkpoint.objects.count() == 1


def test_sealing_goes_on_where_it_stopped(sealer, monkeypatch):
    monkeypatch.setattr(sealing, "BATCH", 2)
    a_person("qa", "operator", "engineer")
    made = []

    while checkpoint := sealing.seal():
        made.append(checkpoint)

    assert [each.size for each in made] == [2, 4, 5]
    for each in made:
        assert bytes(each.root) == merkle_root(leaves()[: each.size])


def test_sealing_costs_what_is_new_and_not_what_there_is(
    sealer, django_assert_max_num_queries
):
    for _ in range(150):
        a_person("qa")
    sealing.seal()
    assert LedgerNode.objects.count() == 1
    a_person("qa")

    with django_assert_max_num_queries(25):
        sealing.seal()

    assert bytes(Checkpoint.objects.first().root) == merkle_root(leaves())


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE portal_ledgerentry SET body = replace(body, 'test', 'fine')",
        "DELETE FROM portal_ledgerentry WHERE seq = 6",
        "UPDATE portal_ledgerentry SET link = leaf WHERE seq = 6",
    ],
    ids=["edited", "deleted", "unlinked"],
)
def test_what_was_changed_before_it_was_sealed_is_not_signed(sealer, sql):
    a_person("qa")
    sealing.seal()
    a_person("qa", "operator", "engineer")
    tamper(sql)

    with pytest.raises(Contradicted):
        sealing.seal()

    assert Checkpoint.objects.count() == 1


def test_an_old_backup_is_not_signed(sealer):
    a_person("qa")
    sealing.seal()
    a_person("operator")
    sealing.seal()
    tamper("DELETE FROM portal_ledgerentry WHERE seq > 3")
    tamper("DELETE FROM portal_checkpoint WHERE size > 3")

    with pytest.raises(Contradicted, match="old backup"):
        sealing.seal()


def test_an_old_backup_that_has_grown_again_is_not_signed(sealer):
    a_person("qa")
    sealing.seal()
    a_person("operator")
    sealing.seal()
    tamper("DELETE FROM portal_ledgerentry WHERE seq > 3")
    tamper("DELETE FROM portal_checkpoint WHERE size > 3")
    a_person("engineer", "qa", "operator")

    with pytest.raises(Contradicted, match="not those that were sealed"):
        sealing.seal()


def test_a_past_that_was_rewritten_with_all_its_hashes_is_not_signed(sealer):
    a_person("qa")
    sealing.seal()
    tamper("UPDATE portal_ledgerentry SET leaf = sha256('x') WHERE seq = 1")
    a_person("qa")

    with pytest.raises(Contradicted):
        sealing.seal()


def test_a_checkpoint_that_only_the_sink_has_is_adopted(sealer):
    a_person("qa")
    checkpoint = sealing.seal()
    tamper("DELETE FROM portal_checkpoint")
    tamper("DELETE FROM portal_ledgernode")

    again = sealing.seal()

    assert again.note == checkpoint.note
    assert len(lines_in(sealer / "checkpoints.jsonl")) == 1


def test_a_line_that_a_crash_cut_off_is_passed_over(sealer):
    sink = sealer / "checkpoints.jsonl"
    sealing.seal()
    with sink.open("a") as file:
        file.write('{"at": "2026-01-01", "note": "test.exa')
    a_person("qa")

    checkpoint = sealing.seal()

    lines = sink.read_text().splitlines()
    assert len(lines) == 3
    assert json.loads(lines[2])["note"] == checkpoint.note


def test_a_sink_whose_last_checkpoint_is_forged_stops_the_sealer(sealer):
    sink = sealer / "checkpoints.jsonl"
    sealing.seal()
    sink.write_text(sink.read_text().replace("\\n1\\n", "\\n9\\n"))

    with pytest.raises(Contradicted, match="nobody who is known"):
        sealing.seal()


def test_without_its_sink_the_sealer_signs_nothing(sealer):
    sealing.seal()
    (sealer / "checkpoints.jsonl").unlink()
    (sealer / "checkpoints.jsonl").mkdir()
    a_person("qa")

    with pytest.raises(Unavailable, match="cannot be used"):
        sealing.seal()

    assert Checkpoint.objects.count() == 1


def test_every_line_can_be_shown_to_be_under_every_checkpoint(sealer):
    a_person("qa")
    first = sealing.seal()
    a_person("qa")
    last = sealing.seal()

    for seq, leaf in enumerate(leaves(), start=1):
        proof = proofs.inclusion(seq, last.size)
        assert is_included(leaf, seq - 1, last.size, proof, bytes(last.root))
    proof = proofs.consistency(first.size, last.size)
    assert is_consistent(
        first.size, bytes(first.root), last.size, bytes(last.root), proof
    )


def test_what_is_not_sealed_yet_has_no_checkpoint(sealer):
    with pytest.raises(WrongMoment):
        proofs.latest_checkpoint()
    sealing.seal()
    with pytest.raises(WrongMoment):
        proofs.checkpoint_over(2)
    assert proofs.checkpoint_over(1).size == 1


def test_a_key_that_was_lost_is_asked_for(sealer):
    sealing.seal()
    (sealer / "sealer-key").unlink()

    with pytest.raises(sealer_keys.NoKey, match="gone"):
        sealing.seal()


def test_a_key_that_nobody_announced_signs_nothing(sealer):
    sealing.seal()
    (sealer / "sealer-key").unlink()
    sealer_keys.make("test.example/other")

    with pytest.raises(sealer_keys.NoKey, match="never announced"):
        sealing.seal()


def test_in_production_no_key_is_made_in_passing(sealer, settings):
    settings.IS_PRODUCTION = True

    with pytest.raises(sealer_keys.NoKey, match="make_sealer_key"):
        sealing.seal()


def test_the_command_seals_once_and_says_what(sealer, capsys):
    a_person("qa")

    call_command("sealer", "--once", "--json")

    said = json.loads(capsys.readouterr().out)
    assert said["size"] == 3
    assert read_note(said["note"]).checkpoint.size == 3


def test_the_command_says_why_it_refuses(sealer):
    sealing.seal()
    tamper("DELETE FROM portal_ledgerentry")
    tamper("DELETE FROM portal_checkpoint")

    with pytest.raises(CommandError, match="old backup") as refusal:
        call_command("sealer", "--once")

    assert refusal.value.returncode == 2


def test_a_new_key_takes_over_and_both_vouch_for_the_moment(sealer):
    a_person("qa")
    sealing.seal()
    old = sealer_keys.own().public

    made = sealer_keys.rotate(by=actors.host(), reason="a year is over")
    over = read_note(sealing.seal().note)
    a_person("operator")
    later = read_note(sealing.seal().note)

    new = sealer_keys.own().public
    assert new.text == made.text != old.text
    assert old.has_signed(over)
    assert new.has_signed(over)
    assert new.has_signed(later)
    assert not old.has_signed(later)
    assert not (sealer / "sealer-key.next").exists()


def test_a_rotation_that_was_cut_short_is_gone_on_with(sealer):
    sealing.seal()
    waiting = sealer_keys.prepare("test.example/ledger")

    made = sealer_keys.rotate(by=actors.host(), reason="again")
    sealing.seal()

    assert made.text == waiting.public.text == sealer_keys.own().public.text


def test_another_key_takes_over_from_one_that_was_lost(sealer):
    sealing.seal()
    (sealer / "sealer-key").unlink()

    made = sealer_keys.rotate(by=actors.host(), reason="its disk died")
    checkpoint = sealing.seal()

    assert read_public_key(made.text).has_signed(read_note(checkpoint.note))
    assert sealer_keys.own().public.text == made.text


def test_where_a_log_cannot_go_on_another_begins(sealer):
    a_person("qa")
    sealing.seal()
    a_person("operator")
    sealing.seal()
    tamper("DELETE FROM portal_ledgerentry WHERE seq > 3")
    tamper("DELETE FROM portal_checkpoint WHERE size > 3")
    with pytest.raises(Contradicted):
        sealing.seal()

    sealer_keys.rotate(
        by=actors.host(), reason="restored", origin="test.example/second"
    )
    checkpoint = sealing.seal()

    assert (checkpoint.origin, checkpoint.size) == ("test.example/second", 4)
    assert sealing.seal() is None


def test_nobody_but_the_host_lets_a_key_take_over(sealer):
    sealing.seal()

    with pytest.raises(NotAllowed):
        sealer_keys.rotate(by=an_actor("administrator"), reason="mine")
