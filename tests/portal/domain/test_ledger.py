from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.domain.ledger import (
    GENESIS,
    Fault,
    Line,
    findings,
    leaf_of,
    link_of,
)


def a_chain(length: int) -> list[Line]:
    lines, prev = [], GENESIS
    for seq in range(1, length + 1):
        body = f'{{"seq":{seq}}}'.encode()
        leaf = leaf_of(body)
        prev = link_of(prev, seq, leaf)
        lines.append(Line(seq, body, leaf, prev))
    return lines


def rehashed(lines: list[Line], index: int) -> Line:
    """A line whose text was changed by somebody who knows how leaves are made."""
    body = lines[index].body + b" "
    return replace(lines[index], body=body, leaf=leaf_of(body))


def test_the_first_link_is_made_as_the_format_says():
    leaf = sha256(b"\x00" + b"{}").digest()

    link = link_of(GENESIS, 1, leaf_of(b"{}"))

    expected = sha256(b"\x02" + bytes(32) + (1).to_bytes(8, "big") + leaf)
    assert link == expected.digest()


@given(st.integers(0, 40))
def test_an_untouched_chain_has_no_findings(length):
    assert list(findings(a_chain(length))) == []


@pytest.mark.parametrize(
    ("tampering", "seq", "fault"),
    [
        (lambda lines: lines[:4] + lines[5:], 5, Fault.GAP),
        (
            lambda lines: [*lines[:4], replace(lines[4], body=b"{}"), *lines[5:]],
            5,
            Fault.ALTERED,
        ),
        (
            lambda lines: [*lines[:4], rehashed(lines, 4), *lines[5:]],
            5,
            Fault.UNLINKED,
        ),
        (lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]], 5, Fault.GAP),
        (lambda lines: [*lines[:4], lines[3], *lines[4:]], 5, Fault.GAP),
        (lambda lines: lines[1:], 1, Fault.GAP),
    ],
    ids=["deleted", "edited", "re-hashed", "swapped", "doubled", "beheaded"],
)
def test_tampering_is_found_where_it_happened(tampering, seq, fault):
    first = next(findings(tampering(a_chain(10))))

    assert (first.seq, first.fault) == (seq, fault)


def test_one_edited_line_is_one_finding():
    lines = a_chain(10)
    lines[3] = replace(lines[3], body=b"{}")

    assert len(list(findings(lines))) == 1


def test_a_tail_can_be_checked_from_a_known_line():
    lines = a_chain(10)

    assert list(findings(lines[6:], after=lines[5])) == []
