"""The documents of a rollout: written from what is there, named by their digest.

The digest is that of the body, which is everything after the first line `---` and says
nothing about when it was written: the same data gives the same bytes.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from portal.domain.canonical import digest
from portal.domain.markdown import code, inline, moment
from portal.errors import NotFound

END_OF_HEAD = "---"


class Name(StrEnum):
    """The documents that there are, as they stand in addresses and file names."""

    PLAYBOOK = "rollout-playbook"
    MATRIX = "incident-response-matrix"
    RUNBOOKS = "operator-runbooks"
    DRILLS = "drills-log"
    TRANSCRIPT = "evidence-transcript"


TITLES = {
    Name.PLAYBOOK: "Rollout playbook",
    Name.MATRIX: "Incident response matrix",
    Name.RUNBOOKS: "Operator runbooks",
    Name.DRILLS: "Drills log",
    Name.TRANSCRIPT: "Evidence transcript",
}
SAYS = {
    Name.PLAYBOOK: "What is rolled out and how: flags, stages, what it takes to go on, "
    "what goes back by itself, how it is switched off.",
    Name.MATRIX: "From a symptom to diagnosis, rollback trigger, action and artifacts.",
    Name.RUNBOOKS: "What to do, step by step, and when each was last followed.",
    Name.DRILLS: "What was practised: every step with its time, every artifact with "
    "its digest, every verdict.",
    Name.TRANSCRIPT: "What was verified, judged, gone wrong and gone back.",
}


@dataclass(frozen=True)
class Document:
    """A document as it was written at a moment."""

    name: Name
    rollout: str
    as_of: datetime
    body: str

    @property
    def title(self) -> str:
        """Which document of which rollout it is."""
        return f"{TITLES[self.name]} of {self.rollout}"

    @cached_property
    def digest(self) -> str:
        """The digest of the body's UTF-8 bytes."""
        return digest(self.body.encode())

    @property
    def markdown(self) -> str:
        """All of it: title, as of when, digest, and the body."""
        return (
            f"# {inline(self.title)}\n\nAs of {moment(self.as_of)}. Digest of what "
            f"follows the line: {code(self.digest)}\n\n{END_OF_HEAD}\n{self.body}"
        )

    @property
    def file_name(self) -> str:
        """What it is called outside."""
        return f"{self.name}.md"


def name_of(text: str) -> Name:
    """The document of that name, or a refusal that names all of them."""
    try:
        return Name(text)
    except ValueError:
        raise NotFound(
            f"There is no document {text[:100]!r}; there are {', '.join(Name)}."
        ) from None
