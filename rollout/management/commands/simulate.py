"""`manage.py simulate`: a research system that is not one."""

import json
import os
from argparse import ArgumentTypeError
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from portal.commands import PortalCommand
from rollout.domain.gates import NAMES
from rollout.domain.simulation import Fault
from rollout.domain.stages import SENSITIVITIES
from rollout.simulator import QUERY_CLASSES, Settings, Stopped, simulate


def fault_at(text: str) -> tuple[int, Fault]:
    """`NAME@N`: what goes wrong in the run with the number N."""
    name, _, number = text.partition("@")
    if name not in set(Fault) or not number.isdigit() or int(number) < 1:
        raise ArgumentTypeError(
            f"{text!r} is not NAME@N with NAME one of {', '.join(Fault)}"
        )
    return int(number), Fault(name)


def rate_of(text: str) -> tuple[str, float]:
    """`GATE=P`: how probable it is that a gate passes in the end."""
    gate, _, rate = text.partition("=")
    try:
        probability = float(rate)
    except ValueError:
        probability = -1
    if gate not in NAMES or not 0 <= probability <= 1:
        raise ArgumentTypeError(f"{text!r} is not GATE=P with a gate A to F, P 0 to 1")
    return gate, probability


def positive(text: str) -> float:
    """A number above zero."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not number > 0:
        raise ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


class Command(PortalCommand):
    help = (
        "Behave like the research system: HTTP and a token only. The token is read "
        "from the environment (TOKEN) or a file. Same seed and clock, same documents."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        port = os.environ.get("PORT", "8000")
        parser.add_argument("--url", default=f"http://127.0.0.1:{port}")
        parser.add_argument("--token-file", type=Path)
        parser.add_argument("--state", type=Path, help="where checkpoints are kept")
        parser.add_argument("--runs", type=int, default=10)
        parser.add_argument("--rate", type=positive, default=60, help="per minute")
        parser.add_argument("--at-once", type=int, default=1000)
        parser.add_argument("--seed", default="1")
        parser.add_argument("--prefix", default="sim", help="of the run ids")
        parser.add_argument("--teams", default="alpha,beta")
        parser.add_argument("--query-classes", default=",".join(QUERY_CLASSES))
        parser.add_argument("--sensitivity", default="no_web", choices=SENSITIVITIES)
        parser.add_argument(
            "--pass-rate", action="append", default=[], type=rate_of, metavar="GATE=P"
        )
        parser.add_argument("--speed", type=positive, default=1)
        parser.add_argument(
            "--fault", action="append", default=[], type=fault_at, metavar="NAME@N"
        )
        parser.add_argument("--skew", type=float, default=0, help="clock, in seconds")
        parser.add_argument("--clock", type=datetime.fromisoformat)
        parser.add_argument("--environment", default="", help="such as sandbox")
        parser.add_argument(
            "--ignore-switch", action="store_true", help="go on although DISABLED"
        )
        parser.add_argument("--stage-timeout", type=int, help="seconds, all stages")

    def carry_out(self, **options: Any) -> None:
        token = os.environ.get("TOKEN", "")
        if options["token_file"]:
            try:
                token = options["token_file"].read_text().strip()
            except OSError as error:
                self.refuse(f"The token cannot be read: {error}")
        if not token:
            self.refuse("Give a token: TOKEN=... or --token-file FILE.")
        wanted = Settings(
            url=options["url"],
            token=token,
            state=options["state"] or settings.VAR / "simulator" / options["seed"],
            runs=options["runs"],
            rate=options["rate"],
            at_once=max(1, options["at_once"]),
            seed=options["seed"],
            prefix=options["prefix"],
            teams=tuple(filter(None, options["teams"].split(","))) or ("alpha",),
            query_classes=tuple(filter(None, options["query_classes"].split(",")))
            or QUERY_CLASSES,
            sensitivity=options["sensitivity"],
            environment=options["environment"],
            ignores_switch=options["ignore_switch"],
            pass_rates=dict(options["pass_rate"]),
            speed=options["speed"],
            faults=dict(options["fault"]),
            skew_s=options["skew"],
            clock=options["clock"],
            stage_timeout_s=options["stage_timeout"],
        )
        try:
            outcomes = simulate(wanted, self._progress)
        except Stopped as stopped:
            self.refuse(str(stopped))
        except KeyboardInterrupt:
            self.refuse("Stopped; started again it goes on where it was.")
        self.say(
            ", ".join(f"{count} {how}" for how, count in sorted(outcomes.items()))
            or "nothing to do",
            outcomes=outcomes,
        )

    def _progress(self, line: str) -> None:
        if self.wants_json:
            line = json.dumps({"progress": line})
        self.stderr.write(line)
        self.stderr.flush()
