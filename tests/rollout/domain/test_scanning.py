"""What the safety scan finds, what it leaves alone, and what it cannot read."""

import base64
import gzip
import io
import itertools
import json
import zipfile
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.errors import Invalid
from rollout.domain.scanning import (
    LONGEST_ALLOWANCE,
    MOST_FINDINGS,
    Found,
    Place,
    Report,
    Trouble,
    Verdict,
    check_allowance,
    verdict,
)
from rollout.domain.scanning_families import FAMILIES, literals
from rollout.domain.scanning_layers import OVERLAP, WINDOW, scan
from rollout.domain.scanning_reading import Limits
from tests.rollout.planting import (
    ENCODINGS,
    HARMLESS,
    NAMED,
    SHAPED,
    SHAPES,
    filled,
    harmless,
    planted,
)

KEY = b"k" * 32


def read(content: bytes, **limits: int) -> Report:
    return scan([content], key=KEY, limits=Limits(**limits))


def a_secret(family: str = "github-token", seed: int = 1) -> str:
    return filled(SHAPED[family], Random(seed))[0]


def families_in(content: bytes) -> set[str]:
    return {each.family for each in read(content).findings}


# What it finds


@pytest.mark.parametrize("family", SHAPED)
def test_a_secret_of_every_family_is_found_in_every_shape_of_file(family):
    for seed, (name, shape) in enumerate(SHAPES.items()):
        said, secret = filled(SHAPED[family], Random(seed))

        report = read(shape(said, Random(seed)).encode())

        assert family in {each.family for each in report.findings}, name
        assert report.verdict == Verdict.BLOCKED
        assert secret not in repr(report)


@pytest.mark.parametrize("template", NAMED)
def test_what_only_its_surroundings_give_away_is_found_too(template):
    for seed, (name, shape) in enumerate(SHAPES.items()):
        said, secret = filled(template, Random(seed))

        report = read(shape(said, Random(seed)).encode())

        assert report.findings, name
        assert secret not in repr(report)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_it_is_found_in_every_encoding(encoding):
    content = ENCODINGS[encoding](f"before\n{a_secret()}\nafter\n".encode())

    report = read(content)

    assert [each.family for each in report.findings] == ["github-token"]
    assert not report.troubles


def test_hundreds_of_planted_secrets_are_found():
    missed = [
        each
        for each in planted(120, seed=11)
        if (each.family or "") not in (families_in(each.content) or {None})
        and not (each.family == "" and families_in(each.content))
    ]

    assert [(each.family, each.encoding, each.shape) for each in missed] == []


@pytest.mark.parametrize("marker", ["# nosec", "gitleaks:allow", "pragma: allowlist"])
def test_a_mark_that_asks_to_look_away_means_nothing(marker):
    assert families_in(f'key = "{a_secret()}"  # {marker}'.encode()) == {"github-token"}


def test_a_finding_says_where_it_stands():
    packed = gzip.compress(f"one\ntwo\n x {a_secret()}\n".encode(), mtime=0)
    content = b"head\n" + base64.b64encode(packed) + b"\n"

    (found,) = read(content).findings

    assert found.place == Place(line=3, offset=5, chain=("base64", "gzip"))
    assert found.preview == "ghp_… (40 characters)"


def test_a_secret_counts_once_however_often_it_stands():
    (found,) = read(f"{a_secret()}\n".encode() * 500).findings

    assert (found.count, found.place.line) == (500, 1)


def test_the_same_secret_has_the_same_fingerprint_only_under_the_same_key():
    content = a_secret().encode()

    here, there = (scan([content], key=key).findings[0] for key in (b"a", b"b"))

    assert here.fingerprint == scan([b"x " + content], key=b"a").findings[0].fingerprint
    assert here.fingerprint != there.fingerprint


def test_more_findings_than_are_kept_are_never_taken_for_all():
    many = "\n".join(a_secret(seed=n) for n in range(MOST_FINDINGS + 5)).encode()

    report = read(many)

    allowed = {each.fingerprint for each in report.findings}
    assert Trouble.CUT in report.troubles
    assert verdict(report.findings, report.troubles, allowed=allowed) == Verdict.FLAGGED


# What it leaves alone


@pytest.mark.parametrize("kind", HARMLESS)
def test_harmless_files_are_clean(kind):
    content = next(each for name, each in harmless(len(HARMLESS) / 2) if name == kind)

    report = read(content[:200_000])

    assert report.findings == []
    assert report.verdict == Verdict.CLEAN


@pytest.mark.parametrize(
    "text",
    [
        "password = settings.DATABASE_PASSWORD",
        "token = next(tokens)",
        'api_key: "<your-api-key>"',
        "api_key=${SERVICE_API_KEY}",
        'secret = os.environ["SECRET"]',
        "next_page_token=4c7b8f2e6d1a9b3c5e7f0a2d",
        "postgres://user:password@localhost/db",
        "postgres://portal:…@db/portal",
        "Authorization: Bearer <token>",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "digest: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f0",
        "the token: step-2-of-3",
    ],
)
def test_names_and_placeholders_are_no_secrets(text):
    assert read(text.encode()).verdict == Verdict.CLEAN


# What it cannot read


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        # Without a time, so that the same content is always the same file.
        archive.writestr(zipfile.ZipInfo("a"), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def an_encrypted_zip() -> bytes:
    content = bytearray(zipped(b"text"))
    content[6] |= 1
    return bytes(content)


def packed_five_times() -> bytes:
    content = b"a text that is long enough to be seen"
    for _ in range(5):
        content = gzip.compress(content, mtime=0)
    return content


@pytest.mark.parametrize(
    ("content", "trouble"),
    [
        (gzip.compress(b"text" * 100, mtime=0)[:-12], Trouble.BROKEN),
        (b"\x1f\x8b\x08" + b"\xff" * 50, Trouble.BROKEN),
        (zipped(b"text" * 100)[:40], Trouble.BROKEN),
        (an_encrypted_zip(), Trouble.ENCRYPTED),
        (b"Salted__" + bytes(64), Trouble.ENCRYPTED),
        (b"7z\xbc\xaf\x27\x1c" + bytes(64), Trouble.UNKNOWN_PACKING),
        (b"%PDF-1.7 ...", Trouble.UNKNOWN_PACKING),
        (packed_five_times(), Trouble.TOO_DEEP),
    ],
    ids=itertools.count(),
)
def test_what_cannot_be_read_in_full_is_never_clean(content, trouble):
    report = read(content)

    assert report.troubles == {trouble}
    assert report.verdict == Verdict.UNSCANNABLE


def test_a_bomb_is_not_unpacked_to_its_end():
    bomb = gzip.compress(gzip.compress(bytes(30_000_000), mtime=0), mtime=0)

    report = read(bomb, unpacked=1_000_000)

    assert report.verdict == Verdict.UNSCANNABLE
    assert report.troubles == {Trouble.BOMB}
    assert report.unpacked < 4_000_000


def test_what_is_larger_than_is_read_says_so():
    report = read(b"x" * 2000, read=1000)

    assert (report.troubles, report.read) == ({Trouble.TOO_LARGE}, 1000)
    assert report.verdict == Verdict.UNSCANNABLE


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"\xc3\x28 caf\xe9", bytes(9000)]
)
def test_what_is_no_text_is_read_all_the_same(content):
    assert read(content).verdict == Verdict.CLEAN


# Pieces and windows


@settings(max_examples=25, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 3000), max_size=6),
    encoding=st.sampled_from(sorted(ENCODINGS)),
    seed=st.integers(0, 999),
)
def test_how_the_bytes_arrive_makes_no_difference(cuts, encoding, seed):
    said, _ = filled(Random(seed).choice([*SHAPED.values(), *NAMED]), Random(seed))
    content = ENCODINGS[encoding](SHAPES["jsonl"](said, Random(seed)).encode())
    places = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    pieces = [content[a:b] for a, b in pairwise(places)]

    assert scan(pieces, key=KEY) == scan([content], key=KEY)


@pytest.mark.parametrize("at", [WINDOW - 41, WINDOW - 20, WINDOW, WINDOW + OVERLAP - 7])
@pytest.mark.parametrize("encoding", ["plain", "base64", "utf-16", "percent", "gzip"])
def test_the_end_of_a_window_hides_nothing(at, encoding):
    line = b"nothing to see in this line of a long file, really\n"
    content = (line * (at // len(line) + 1))[: at - 1] + b"\n" + a_secret().encode()
    content += b"\n" + line * 3000

    assert families_in(ENCODINGS[encoding](content)) == {"github-token"}


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=3000))
def test_any_bytes_have_a_verdict(content):
    assert read(content).verdict in set(Verdict)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 999))
def test_broken_archives_have_a_verdict(noise, seed):
    content = bytearray(zipped(gzip.compress(noise, mtime=0)) + noise)
    rng = Random(seed)
    for _ in range(3):
        content[rng.randrange(len(content))] = rng.randrange(256)

    assert read(bytes(content)).verdict in set(Verdict)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(sorted(SHAPED)))
def test_the_secret_itself_is_never_told(seed, family):
    said, secret = filled(SHAPED[family], Random(seed))

    report = read(json.dumps({"text": said}).encode())

    assert report.findings
    assert secret not in repr(report)


# The rules


def test_no_anchor_hides_another_one():
    anchors = list(literals(FAMILIES))
    hidden = [
        (first, later)
        for index, first in enumerate(anchors)
        for later in anchors[index + 1 :]
        if later.startswith(first)
    ]

    assert hidden == []


def test_every_family_has_a_template_to_test_it_by():
    assert {family.name for family in FAMILIES} == set(SHAPED)


# Verdicts


def found(mark: str, *, is_certain: bool) -> Found:
    return Found("family", is_certain, Place(1, 0), "…", mark)


def test_what_is_allowed_no_longer_counts():
    findings = [found("a", is_certain=True), found("b", is_certain=False)]

    assert verdict(findings, [], allowed=[]) == Verdict.BLOCKED
    assert verdict(findings, [], allowed=["a"]) == Verdict.FLAGGED
    assert verdict(findings, [], allowed=["a", "b"]) == Verdict.CLEAN
    assert verdict(findings, ["bomb"], allowed=["a", "b"]) == Verdict.UNSCANNABLE


@pytest.mark.parametrize("days", [-1, 0, LONGEST_ALLOWANCE.days + 1])
def test_an_allowance_ends_at_a_time_to_come_and_not_too_late(days):
    now = datetime(2026, 1, 1, tzinfo=UTC)

    with pytest.raises(Invalid):
        check_allowance(now + timedelta(days=days), now=now)
