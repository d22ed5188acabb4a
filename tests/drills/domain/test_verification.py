"""Verification files: argv lists and nothing else, every error with its place."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drills.domain.verification import LARGEST_FILE, read
from portal.errors import Invalid

GOOD = """
[[check]]
name = "fallback-path"
title = "Fallback path"
proves = "Nothing is lost."
argv = ["{python}", "-m", "pytest", "{project}/tests", "--basetemp={scratch}"]
"""


def errors_of(text: str | bytes, **programs) -> list[tuple[str, str]]:
    raw = text.encode() if isinstance(text, str) else text
    with pytest.raises(Invalid) as refusal:
        read(raw, **programs)
    assert refusal.value.code == "SUITE_INVALID"
    return [(each["pointer"], each["detail"]) for each in refusal.value.facts["errors"]]


def test_a_check_becomes_a_command_with_the_places_filled_in():
    (check,) = read(GOOD.encode()).checks

    command = check.command(python="/p", project="/code", scratch="/s")

    assert command == ["/p", "-m", "pytest", "/code/tests", "--basetemp=/s"]
    assert (check.expected_exit, check.timeout_s, check.needs_network) == (
        0,
        600,
        False,
    )


def test_the_digest_is_of_the_checks_and_not_of_their_spelling():
    spelled = GOOD.replace('name = "', 'name="').replace(
        "[[check]]", "# why\n[[check]]"
    )

    assert read(GOOD.encode()).digest == read(spelled.encode()).digest
    assert (
        read(GOOD.encode()).digest
        != read(GOOD.replace("Nothing", "It").encode()).digest
    )


def test_a_line_for_a_shell_is_refused():
    line = GOOD.split("argv")[0] + 'argv = "pytest tests; rm -rf /"'

    assert errors_of(line) == [
        (
            "/check/0/argv",
            "is no list of arguments; a line for a shell is never carried out",
        )
    ]


def test_a_program_has_to_be_allowed_by_the_host():
    shell = GOOD.split("argv")[0] + 'argv = ["/bin/sh", "-c", "true"]'

    assert errors_of(shell) == [
        ("/check/0/argv/0", "is no program that this host allows: /bin/sh")
    ]
    assert read(shell.encode(), programs=["/bin/sh"])


@pytest.mark.parametrize(
    ("line", "pointer"),
    [
        ('name = "Fall Back"', "/check/0/name"),
        ('argv = ["{python}", "{secret}"]', "/check/0/argv/1"),
        ("argv = []", "/check/0/argv"),
        ('argv = ["{python}", 3]', "/check/0/argv"),
        ("timeout_s = 0", "/check/0/timeout_s"),
        ("timeout_s = true", "/check/0/timeout_s"),
        ("timeout_s = 1.5", "/check/0/timeout_s"),
        ("expected_exit = 256", "/check/0/expected_exit"),
        ('environment = { path = "x" }', "/check/0/environment/path"),
        ('environment = { API_TOKEN = "x" }', "/check/0/environment/API_TOKEN"),
        ("needs_network = 1", "/check/0/needs_network"),
        ('shell = "yes"', "/check/0/shell"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(line, pointer):
    name = line.split(" ")[0]
    kept = [each for each in GOOD.splitlines() if not each.startswith(name)]

    assert [place for place, _ in errors_of("\n".join([*kept, line]))] == [pointer]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"check = 3",
        b"check = []",
        b"[[check",
        b"\xff",
        b"x = 1",
        b"#" * (LARGEST_FILE + 1),
        b"check = " + b"[" * 5000,
    ],
)
def test_a_file_that_holds_no_suite_is_refused(raw):
    assert errors_of(raw)


def test_a_name_stands_for_one_check():
    assert errors_of(GOOD + GOOD) == [("/check", "has 'fallback-path' twice")]


@given(st.binary(max_size=300))
def test_whatever_is_in_the_file_it_is_a_suite_or_a_refusal(raw):
    with suppress(Invalid):
        assert read(raw).checks
