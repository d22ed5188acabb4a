"""Reading what somebody else is writing: whole or not at all, regular files only."""

import os
import socket

import pytest

from rollout.agent.files import (
    Moving,
    NoFile,
    files_under,
    lines_from,
    read_document,
    read_whole,
)


def test_a_document_is_read_when_it_is_whole(tmp_path):
    path = tmp_path / "manifest.json"
    path.write_bytes(b'{"revision": 1}')

    whole, document = read_document(path)

    assert (whole.raw, document) == (b'{"revision": 1}', {"revision": 1})


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b'{"revision": ',
        b"[1]",
        b'{"a": 1}{',
        b"\xff",
        b"[" * 10_000,
        b'{"a": NaN}',
    ],
)
def test_what_is_no_whole_document_is_looked_at_again(tmp_path, raw):
    path = tmp_path / "manifest.json"
    path.write_bytes(raw)

    with pytest.raises(Moving):
        read_document(path)


def test_nothing_but_regular_files_is_opened(tmp_path):
    (tmp_path / "secret").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
        for name in ("link", "pipe", "socket", "."):
            with pytest.raises(NoFile):
                read_whole(tmp_path / name)


def test_files_are_listed_in_order_and_the_others_with_the_reason(tmp_path):
    outside = tmp_path / "outside"
    root = tmp_path / "root"
    for folder in (outside, root / "logs", root / "wave-1"):
        folder.mkdir(parents=True)
    (outside / "secret").write_text("x")
    for name in ("b.md", "a.md", "half.tmp.123", "logs/x.jsonl", "wave-1/p1.md"):
        (root / name).write_text("x")
    (root / "away").symlink_to(outside)
    (root / "line\nbreak").write_text("x")
    (root / os.fsdecode(b"\xff")).write_text("x")

    found = {each.path: each for each in files_under(root)}

    taken = [path for path, each in found.items() if each.signature is not None]
    assert sorted(taken) == ["a.md", "b.md", "logs/x.jsonl", "wave-1/p1.md"]
    assert found["away"].why_not == "is no regular file"
    assert found["half.tmp.123"].why_not == ""
    assert "cannot be seen" in found["line\nbreak"].why_not
    assert found[os.fsdecode(b"\xff")].why_not


def test_only_whole_lines_are_taken_and_from_where_it_stopped(tmp_path):
    path = tmp_path / "telemetry.jsonl"
    path.write_bytes(b"one\ntwo\nthr")

    lines, inode, offset = lines_from(path, 0, 1000)
    assert (lines, offset) == (b"one\ntwo\n", 8)
    path.write_bytes(b"one\ntwo\nthree\n")
    lines, again, offset = lines_from(path, offset, 1000)

    assert (lines, again, offset) == (b"three\n", inode, 14)
    assert lines_from(path, 99, 1000)[0] == b"one\ntwo\nthree\n"
    with pytest.raises(NoFile):
        lines_from(path, 0, 3)
