from hypothesis import given
from hypothesis import strategies as st

from portal.domain.tokens import is_well_formed, keyed_hash, shown, spell

secrets = st.binary(min_size=23, max_size=23)


@given(secrets)
def test_every_spelled_token_is_well_formed(secret):
    assert is_well_formed(spell(secret))


@given(secrets, secrets)
def test_different_secrets_give_different_tokens(one, other):
    assert (spell(one) == spell(other)) == (one == other)


@given(secrets, st.integers(4, 41), st.sampled_from("aZ09"))
def test_a_mistyped_letter_is_noticed(secret, place, letter):
    token = spell(secret)

    typed = token[:place] + letter + token[place + 1 :]

    assert is_well_formed(typed) == (typed == token)


@given(st.text())
def test_no_text_at_all_breaks_the_check(text):
    assert isinstance(is_well_formed(text), bool)


@given(secrets)
def test_what_is_shown_does_not_give_the_token_away(secret):
    token = spell(secret)

    assert token.startswith(shown(token))
    assert len(token) - len(shown(token)) >= 30


def test_the_stored_hash_depends_on_the_key():
    assert keyed_hash("t", key=b"one") != keyed_hash("t", key=b"two")
