"""Values in the fields of forms: what is shown is what is read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.admin.typed import as_text, from_text, with_credentials

# What a configuration can hold: strict JSON refuses NUL and lone surrogates.
KEEPABLE = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53 - 1), 2**53 - 1),
    st.text(KEEPABLE, max_size=12),
    st.sampled_from(["4", "true", '"', "[x", "a, b", " padded ", "null", "{}"]),
)


@given(VALUES)
def test_a_value_survives_the_form(value):
    assert from_text(as_text(value)) == value
    assert type(from_text(as_text(value))) is type(value)


@given(st.lists(VALUES, min_size=1, max_size=5))
def test_a_list_survives_the_form(values):
    assert from_text(as_text(values), is_list=True) == values


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("alpha, beta", ["alpha", "beta"]),
        ("alpha", ["alpha"]),
        ("1, 2", [1, 2]),
        ('["a,b"]', ["a,b"]),
        ("", []),
    ],
)
def test_lists_are_typed_with_commas(typed, meant):
    assert from_text(typed, is_list=True) == meant


def test_an_address_gets_its_credentials_back_and_no_other_text_changes():
    secret = "https://me:hunter2@one.example/x?token=1"
    known = [{"value": secret, "conditions": []}]
    typed = [{"value": "https://one.example/x?…"}, {"value": "https://two.example"}]

    found = with_credentials(typed, known)

    assert found == [{"value": secret}, {"value": "https://two.example"}]
