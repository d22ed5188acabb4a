import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.domain.canonical import canonical, digest_of
from portal.errors import Invalid


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.integers(-9, 9)))
def test_the_order_of_keys_does_not_matter(value):
    backwards = dict(reversed(value.items()))

    assert canonical(backwards) == canonical(value)
    assert digest_of(backwards) == digest_of(value)


@pytest.mark.parametrize("value", [2**53, float("nan"), float("inf"), "\ud800"])
def test_what_cannot_be_spelled_exactly_is_refused(value):
    with pytest.raises(Invalid) as refusal:
        canonical({"value": value})

    assert refusal.value.code == "NOT_CANONICAL"


def test_a_digest_says_which_hash_it_is():
    assert digest_of({}).startswith("sha256:44136fa355b3678a")
