"""Writing the documents of a rollout from what the tables say now."""

from datetime import datetime
from typing import Protocol

from drills.domain.documents import Document, Name, name_of
from drills.services import chronicle, drills_log, handbook, playbook
from portal import clock
from rollout.models import Rollout
from rollout.services import rollouts

MOST = 200  # of each kind of record, the newest; a document says if there are more
NAMES = tuple(Name)


class Writer(Protocol):
    """Writes the body of one document, with at most so many records of a kind."""

    def __call__(self, rollout: Rollout, *, most: int) -> str: ...


WRITERS: dict[Name, Writer] = {
    Name.PLAYBOOK: playbook.write,
    Name.MATRIX: handbook.write_matrix,
    Name.RUNBOOKS: handbook.write_runbooks,
    Name.DRILLS: drills_log.write,
    Name.TRANSCRIPT: chronicle.write,
}


def render(
    name: str, rollout_key: str, at: datetime | None = None, *, most: int = MOST
) -> Document:
    """The document of that name, as of `at`, which is now if it is not given.

    `at` is what the document says in its head; its body tells what the tables say. The
    same tables give the same body, and so the same digest. Raises `NotFound` for a
    name or a rollout that is not there.
    """
    found = name_of(name)
    rollout = rollouts.find(rollout_key)
    body = WRITERS[found](rollout, most=most)
    return Document(found, rollout.key, at or clock.now(), body)


def render_all(
    rollout_key: str, at: datetime | None = None, *, most: int = MOST
) -> list[Document]:
    """Every document of a rollout, as of one moment."""
    moment = at or clock.now()
    return [render(name, rollout_key, moment, most=most) for name in NAMES]
