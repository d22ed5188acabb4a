"""`manage.py recompute_evaluations`: does every judgement come out the same today?"""

from typing import Any

from django.core.management.base import CommandParser

from portal.commands import PortalCommand
from rollout.services import evaluations, stages


class Command(PortalCommand):
    help = "Judge every evaluation again from its row; exit status 1 if one differs."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--rollout", default="deep-research-option-c")
        parser.add_argument("--stage", help="only those of this stage")

    def carry_out(self, rollout: str, stage: str | None, **_: Any) -> None:
        wanted = stages.find(rollout, stage) if stage else None
        count, differences = 0, []
        for evaluation, found in evaluations.recompute_all(wanted):
            count += 1
            if found:
                differences.append({"evaluation": evaluation.pk, "at": found})
        self.say(
            f"{count} evaluations judged again, {len(differences)} differ",
            evaluations=count,
            differences=differences,
        )
        if differences:
            self.found(f"{len(differences)} evaluations come out differently")
