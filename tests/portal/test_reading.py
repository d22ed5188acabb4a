"""What a page needs in many places is read once, and never what an act rests on."""

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from portal.requests import ReadOnce
from portal.services.reading import one_answer, read_once


@pytest.fixture
def asked():
    """A reading function, and for what it was asked."""
    seen = []

    @read_once
    def ask(*args, **kwargs):
        seen.append((args, kwargs))
        if args == ("nothing",):
            raise LookupError
        return object()

    ask.seen = seen
    return ask


def test_within_one_answer_the_same_is_read_once(asked):
    with one_answer():
        assert asked(1) is asked(1)
        assert asked(1, of=2) is asked(1, of=2)

    assert asked.seen == [((1,), {}), ((1,), {"of": 2})]


def test_what_is_asked_otherwise_is_read_for_itself(asked):
    with one_answer():
        assert len({asked(1), asked(2), asked(1, of=1), asked(1, of=2)}) == 4


def test_nothing_is_kept_for_the_next_answer(asked):
    for _ in range(2):
        with one_answer():
            asked(1)

    assert len(asked.seen) == 2


def test_outside_an_answer_everything_is_read_anew(asked):
    assert asked(1) is not asked(1)


def test_what_failed_is_tried_again(asked):
    with one_answer():
        for _ in range(2):
            with pytest.raises(LookupError):
                asked("nothing")

    assert len(asked.seen) == 2


def test_two_functions_do_not_share_what_they_read():
    one, other = read_once(lambda: "one"), read_once(lambda: "other")

    with one_answer():
        assert (one(), other()) == ("one", "other")


@pytest.mark.parametrize(("method", "times"), [("GET", 1), ("HEAD", 1), ("POST", 2)])
def test_only_what_changes_nothing_reads_once(asked, method, times):
    def view(request):
        asked(1)
        asked(1)
        return HttpResponse()

    ReadOnce(view)(RequestFactory().generic(method, "/"))

    assert len(asked.seen) == times
