from base64 import b64decode
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.domain.checkpoints import (
    Checkpoint,
    PrivateKey,
    check_origin,
    read_note,
    read_private_key,
    read_public_key,
    sealed,
)
from portal.errors import Malformed

KEY = PrivateKey("example.org/ledger", bytes(range(32)))
OTHER = PrivateKey("example.org/ledger", bytes(32))
HEAD = Checkpoint("example.org/ledger", 7, b"r" * 32)
NOTE = sealed(HEAD, KEY)


def test_a_checkpoint_is_written_as_the_specification_says():
    text, signature = NOTE.split("\n\n")

    assert text.split("\n") == [
        "example.org/ledger",
        "7",
        "cnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=",
    ]
    dash, name, raw = signature.removesuffix("\n").split(" ")
    assert (dash, name) == ("—", "example.org/ledger")
    assert b64decode(raw)[:4] == KEY.public.id
    assert len(b64decode(raw)) == 68


def test_a_signature_is_good_for_its_text_and_its_key_only():
    note = read_note(NOTE)

    assert note.checkpoint == HEAD
    assert KEY.public.has_signed(note)
    assert not OTHER.public.has_signed(note)
    assert not KEY.public.has_signed(read_note(NOTE.replace("\n7\n", "\n8\n")))


def test_two_keys_can_sign_one_checkpoint():
    note = read_note(sealed(HEAD, KEY, OTHER))

    assert KEY.public.has_signed(note)
    assert OTHER.public.has_signed(note)


@given(st.binary(min_size=32, max_size=32))
def test_keys_are_read_as_they_are_written(seed):
    key = PrivateKey("a/b", seed)

    assert read_private_key(f"{key.text}\n") == key
    assert read_public_key(key.public.text) == key.public
    assert key.public.text not in key.text


@pytest.mark.parametrize(
    "note",
    [
        "",
        "x",
        NOTE.removesuffix("\n"),
        NOTE.replace("\n\n", "\n"),
        NOTE.replace("\n7\n", "\n07\n"),
        NOTE.replace("\n7\n", "\n-7\n"),
        NOTE.replace("\n7\n", "\n\u0667\n"),
        NOTE.replace("\n7\n", f"\n{'9' * 5000}\n"),
        NOTE.replace("cnJy", "cnJ", 1),
        NOTE.replace("— ", "- "),
        NOTE + "\n",
        NOTE + "— x\n",
        NOTE.replace("example.org/ledger\n7", "a b\n7"),
    ],
)
def test_what_is_no_checkpoint_is_refused(note):
    with pytest.raises(Malformed):
        read_note(note)


@given(st.text(max_size=200))
def test_nothing_that_is_read_as_a_note_breaks_the_reader(text):
    with suppress(Malformed):
        assert read_note(text).whole == text


@pytest.mark.parametrize(
    "text",
    ["", "a", "a+b+c", KEY.public.text[:-1], KEY.public.text.replace("+", "+0", 1)],
)
def test_what_is_no_key_is_refused(text):
    with pytest.raises(Malformed):
        read_public_key(text)
    with pytest.raises(Malformed):
        read_private_key(f"PRIVATE+KEY+{text}")


def test_a_refusal_does_not_tell_the_key():
    broken = KEY.text[:-2] + "A="

    with pytest.raises(Malformed) as refusal:
        read_private_key(broken)

    assert KEY.text[-20:-4] not in str(refusal.value)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n", "x" * 201])
def test_what_is_no_name_of_a_log_is_refused(name):
    with pytest.raises(Malformed):
        check_origin(name)
