"""`manage.py backtest`: what would another rule have said of past evaluations?"""

from typing import Any

from django.core.management.base import CommandParser

from portal.commands import PortalCommand
from rollout.domain.promotion import RULES
from rollout.services import evaluations, stages


class Command(PortalCommand):
    help = "Try a rule on every past evaluation of a stage; nothing is changed."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("stage")
        parser.add_argument("--rollout", default="deep-research-option-c")
        parser.add_argument("--rule", required=True, help=f"one of {', '.join(RULES)}")

    def carry_out(self, stage: str, rollout: str, rule: str, **_: Any) -> None:
        rows = [
            {
                "evaluation": evaluation.pk,
                "attempt": evaluation.attempt.number,
                "number": evaluation.number,
                "was": evaluation.verdict,
                "would_be": verdict,
            }
            for evaluation, verdict in evaluations.backtest(
                stages.find(rollout, stage), rule
            )
        ]
        changed = [row for row in rows if row["was"] != row["would_be"]]
        lines = [f"{len(rows)} evaluations tried, {len(changed)} would differ"]
        lines += [
            f"  attempt {row['attempt']} number {row['number']}: "
            f"{row['was']} -> {row['would_be']}"
            for row in changed
        ]
        self.say("\n".join(lines), rule=rule, tried=rows)
