"""Who does what for a gate: all assignments of people to duties, and the legal ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product


@dataclass(frozen=True, slots=True)
class Duties:
    """Who does what: one assignment of people to the four duties."""

    author: int
    conductor: int
    architect: int
    qa: int

    @property
    def is_legal(self) -> bool:
        """The two who sign differ, and neither is an author or a conductor."""
        builders = {self.author, self.conductor}
        return self.architect != self.qa and not builders & {self.architect, self.qa}


def assignments(people: Sequence[int]) -> list[Duties]:
    """Every way to give the four duties to people; one may have several."""
    return [Duties(*each) for each in product(people, repeat=4)]
