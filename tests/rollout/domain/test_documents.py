import json
from contextlib import suppress
from copy import deepcopy
from datetime import timedelta

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.domain.strict_json import read
from portal.errors import Conflict, Invalid, Malformed, Refusal, TooLarge
from rollout.domain import artifacts, documents, events, schemas
from tests.rollout.documents import a_manifest, an_event, lines, raw, some_gates

LIMIT = 10_000


@pytest.mark.parametrize(
    ("sent", "kind", "code"),
    [
        (b"", Malformed, "MALFORMED"),
        (b"{", Malformed, "MALFORMED"),
        (b'"\xff"', Malformed, "MALFORMED"),
        (b"NaN", Malformed, "MALFORMED"),
        (b'{"a": -Infinity}', Malformed, "MALFORMED"),
        (b'{"a": 1, "a": 2}', Malformed, "MALFORMED"),
        (b"[" * 65 + b"]" * 65, Malformed, "MALFORMED"),
        (b'{"a":' * 5000, Malformed, "MALFORMED"),
        (b"9" * 5000, Malformed, "MALFORMED"),
        (b" " * (LIMIT + 1), TooLarge, "TOO_LARGE"),
        (b"9007199254740993", Invalid, "NOT_CANONICAL"),
        (b'["\\u0000"]', Invalid, "NOT_CANONICAL"),
        (b'{"\\ud800": 1}', Invalid, "NOT_CANONICAL"),
        (b"1e999", Invalid, "NOT_CANONICAL"),
    ],
)
def test_what_cannot_be_read_or_kept_is_refused(sent, kind, code):
    with pytest.raises(kind) as refusal:
        read(sent, limit=LIMIT * 5 if len(sent) > LIMIT * 2 else LIMIT)

    assert refusal.value.code == code


def test_sixty_four_levels_and_brackets_in_texts_are_fine():
    assert read(b"[" * 64 + b"]" * 64, limit=LIMIT)
    assert read(raw({"text": "[{" * 200 + '\\"['}), limit=LIMIT)


@given(st.binary(max_size=200))
def test_no_bytes_at_all_break_the_reader(sent):
    with suppress(Refusal):
        read(sent, limit=100)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(json_values)
def test_what_is_read_is_what_was_written(value):
    with suppress(Invalid):  # a NUL, say, cannot be kept
        assert read(raw(value), limit=LIMIT) == value


def test_an_error_points_at_its_place():
    manifest = a_manifest(mode="fast")
    manifest["stage"]["current"] = "lunch"

    with pytest.raises(Invalid) as refusal:
        documents.read_manifest(raw(manifest), run_id="run-1", limit=LIMIT)

    pointers = {error["pointer"] for error in refusal.value.facts["errors"]}
    assert pointers == {"/mode", "/stage/current"}


def test_a_document_of_another_run_is_refused():
    with pytest.raises(Invalid) as refusal:
        documents.read_gates(raw(some_gates("run-2")), run_id="run-1", limit=LIMIT)

    assert refusal.value.facts["errors"][0]["pointer"] == "/run_id"


@pytest.mark.parametrize("change", [{"status": "warn"}, {"class": "soft"}])
def test_a_hard_gate_neither_warns_nor_softens(change):
    gates = some_gates()
    gates["gates"]["B"] |= change

    with pytest.raises(Invalid) as refusal:
        documents.read_gates(raw(gates), run_id="run-1", limit=LIMIT)

    assert refusal.value.code == "LIFECYCLE_RULE_VIOLATION"


def test_unknown_members_and_failure_kinds_are_kept():
    manifest = a_manifest(
        system_version="1.2", failures=[{"kind": "meteor", "size": "large"}]
    )

    kept = documents.read_manifest(raw(manifest), run_id="run-1", limit=LIMIT)

    assert kept == manifest


def test_the_refusal_of_a_revision_says_whether_it_is_older_or_contradicts():
    older, other = (
        documents.mismatch(new=new, known=2, kind="manifest") for new in (1, 2)
    )

    assert {older.code, other.code} == {"REVISION_MISMATCH"}
    assert "this is 1, which is older" in str(older)
    assert "this is 2, with other content" in str(other)


def at(minute: int, status: str) -> dict:
    return {"status": status, "updated_at": f"2026-01-01T12:{minute:02}:00Z"}


@pytest.mark.parametrize(
    ("before", "late", "minutes"),
    [
        (at(0, "running"), at(5, "paused"), 15),
        (None, at(5, "paused"), 15),
        (at(0, "paused"), at(5, "paused"), 0),  # told of already
        (at(0, "running"), at(5, "running"), 0),
        (at(0, "running"), at(25, "paused"), 0),  # a clock that went back
    ],
)
def test_a_late_manifest_tells_of_a_pause_once(before, late, minutes):
    paused = documents.paused_since(before, late, at(20, "running"))

    assert paused == timedelta(minutes=minutes)


def test_the_same_document_in_other_bytes_is_the_same():
    known = {"a": 1, "b": [2.0]}

    assert documents.is_same(b'{"b":[2],\n"a":1}', "sha256:other", known)
    assert not documents.is_same(b'{"a":1}', "sha256:other", known)


def mutations(document):
    """The document with one member gone, or turned into something else, each once."""
    yield document
    for value in (None, -1, "", "x/../y", [], {"unknown": True}):
        yield from _with(document, value, ())
    yield from _without(document, ())


def _paths(node, path):
    yield path
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, item in list(items)[:12]:
        if isinstance(item, dict | list) and len(path) < 4:
            yield from _paths(item, (*path, key))


def _at(document, path):
    for key in path:
        document = document[key]
    return document


def _with(document, value, _):
    for path in _paths(document, ()):
        node = _at(document, path)
        for key in list(node)[:12] if isinstance(node, dict) else range(len(node))[:2]:
            changed = deepcopy(document)
            _at(changed, path)[key] = value
            yield changed


def _without(document, _):
    for path in _paths(document, ()):
        if isinstance(_at(document, path), dict):
            for key in list(_at(document, path))[:12]:
                changed = deepcopy(document)
                del _at(changed, path)[key]
                yield changed


@pytest.mark.parametrize(
    ("name", "ours"),
    [("manifest", schemas.MANIFEST), ("gates", schemas.GATES)],
)
def test_our_schemas_judge_as_the_research_systems_do(shared, name, ours):
    theirs = jsonschema_rs.Draft202012Validator(
        json.loads((shared / "schemas" / f"{name}.v1.schema.json").read_text())
    )
    judged = 0
    for path in sorted((shared / "real_runs").glob(f"*/{name}.json")):
        for document in mutations(json.loads(path.read_text())):
            assert ours.is_valid(document) == theirs.is_valid(document), document
            judged += 1
    assert judged > 1000


def test_our_event_schema_judges_as_the_research_systems_does(shared):
    theirs = jsonschema_rs.Draft202012Validator(
        json.loads((shared / "schemas" / "telemetry.v1.event.schema.json").read_text())
    )
    for path in sorted((shared / "real_runs").glob("*/logs/telemetry.jsonl")):
        for line in path.read_text().splitlines()[:4]:
            for event in mutations(json.loads(line)):
                assert schemas.EVENT.is_valid(event) == theirs.is_valid(event), event


def test_a_batch_is_put_in_order_and_counts_a_repetition_once():
    batch = lines(an_event(2), an_event(1), an_event(2)) + b"\n\n"

    assert [event.seq for event in events.read_batch(batch, run_id="run-1")] == [1, 2]


def test_two_events_cannot_have_one_number():
    with pytest.raises(Conflict) as refusal:
        events.read_batch(
            lines(an_event(1), an_event(1, status="paused")), run_id="run-1"
        )

    assert refusal.value.code == "EVENT_CONFLICT"


def test_a_bad_line_is_named():
    with pytest.raises(Invalid) as refusal:
        events.read_batch(lines(an_event(1), an_event(0)), run_id="run-1")

    assert refusal.value.facts["line"] == 2


@given(st.sets(st.integers(1, 60)), st.integers(0, 30))
def test_gaps_are_exactly_what_is_missing(seqs, after):
    numbers = sorted(seq for seq in seqs if seq > after)

    missing = {
        seq
        for first, last in events.gaps(numbers, after=after)
        for seq in range(first, last + 1)
    }

    assert missing == set(range(after + 1, max(numbers, default=after) + 1)) - seqs


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../b",
        "a//b",
        "a/./b",
        "a/",
        "c:\\x",
        "C:/x",
        "a\\b",
        "a\0b",
        "a\nb",
        "a\u202eb",
        "x" * 501,
        "e\u0301",
    ],
)
def test_a_name_that_leads_outside_or_astray_is_refused(path):
    with pytest.raises(Invalid) as refusal:
        artifacts.safe_path(path)

    assert refusal.value.code == "UNSAFE_PATH"


@pytest.mark.parametrize("path", ["a", ".lock", "logs/x y.md", "ü/…", "a..b/c"])
def test_an_ordinary_name_is_fine(path):
    assert artifacts.safe_path(path) == path


@given(st.binary(min_size=32, max_size=32).map(bytes.hex))
def test_digests_go_through_http_unchanged(hexadecimal):
    field = artifacts.field_from_digest(f"sha256:{hexadecimal}")

    assert (
        artifacts.digest_from_field(f"md5=:AA==:, {field}") == f"sha256:{hexadecimal}"
    )


@pytest.mark.parametrize("field", ["", "sha-256=abc", "sha-256=:abc:", "md5=:AA==:"])
def test_a_digest_that_is_none_is_refused(field):
    with pytest.raises(Malformed) as refusal:
        artifacts.digest_from_field(field)

    assert refusal.value.code == "DIGEST_MALFORMED"
