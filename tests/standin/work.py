"""What a tick does in each stage: small artifacts, written one after the other."""

from collections.abc import Callable

from tests.standin.job import Job, Work
from tests.standin.reports import citations, review, summaries, synthesis
from tests.standin.waves import pivot, plan_first_wave, wave1, wave2


def _init(job: Job) -> Work:
    yield


def _perspectives(job: Job) -> Work:
    ids = [f"p{number}" for number in range(1, job.scenario.perspectives + 1)]
    yield
    plan_first_wave(job.run, ids, job.reason)


def _finalize(job: Job) -> Work:
    yield


WORK: dict[str, Callable[[Job], Work]] = {
    "init": _init,
    "perspectives": _perspectives,
    "wave1": wave1,
    "pivot": pivot,
    "wave2": wave2,
    "citations": citations,
    "summaries": summaries,
    "synthesis": synthesis,
    "review": review,
    "finalize": _finalize,
}
