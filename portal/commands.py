"""What the commands share: who acts, how they answer, how they say no."""

import json
from argparse import ArgumentTypeError
from datetime import UTC, datetime
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from portal.errors import Refusal
from portal.models import Actor
from portal.services import actors

FOUND_SOMETHING = 1
BAD_INPUT = 2


def moment(text: str) -> datetime:
    """A date and time of a command's argument; UTC unless it says otherwise."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no date and time (ISO 8601)") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class PortalCommand(BaseCommand):
    """A command that answers in words, or in JSON with `--json`.

    Exit status 0 when all is well, 1 when a check found something, 2 when it was asked
    for something that cannot be; then there is one line on stderr, and no traceback.
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="answer in JSON, for scripts"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.wants_json = options["json"]
        try:
            self.carry_out(**options)
        except Refusal as refusal:
            self.refuse(str(refusal))
        except Error as error:
            self.refuse(f"The database does not answer: {str(error).splitlines()[0]}")

    def carry_out(self, **options: Any) -> None:
        """What the command does."""
        raise TypeError(f"{type(self).__module__} carries out nothing")

    @property
    def host(self) -> Actor:
        """Whoever has a shell on this host."""
        return actors.host()

    def say(self, words: str, **facts: Any) -> None:
        """The answer, once."""
        if self.wants_json:
            words = json.dumps(facts, default=str)
        self.stdout.write(words)

    def refuse(self, words: str) -> NoReturn:
        """One line on stderr, exit status 2."""
        raise CommandError(words, returncode=BAD_INPUT)

    def found(self, words: str) -> NoReturn:
        """A check found something: one line on stderr, exit status 1."""
        raise CommandError(words, returncode=FOUND_SOMETHING)
