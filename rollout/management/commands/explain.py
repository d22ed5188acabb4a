"""`manage.py explain`: why did a run get what it got, or what would one get?"""

from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser

from portal.commands import PortalCommand, moment
from portal.domain import strict_json
from rollout.domain.flags import without_credentials
from rollout.models import Decision
from rollout.services import decisions, explanations, rollouts

LARGEST = 64 * 1024


class Command(PortalCommand):
    help = (
        "Explain the decision of a run (--run), a decision (--decision), or what a "
        "context would get now (--context JSON)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--rollout", default="deep-research-option-c")
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--run", help="run_id")
        which.add_argument("--decision", help="decision_id")
        which.add_argument("--context", help='such as \'{"team": "alpha"}\'')
        parser.add_argument("--flag", default="", help="why this flag has its value")
        parser.add_argument(
            "--at",
            type=moment,
            help="with --context: then instead of now, as 2030-01-31T14:05:00Z",
        )

    def carry_out(
        self,
        rollout: str,
        run: str | None,
        decision: str | None,
        context: str | None,
        flag: str,
        at: datetime | None,
        **_: Any,
    ) -> None:
        if context is not None:
            self._explain_context(rollout, context, at, flag)
            return
        if decision is not None:
            found = decisions.find(decision)
        else:
            found = (
                Decision.objects.select_related("snapshot")
                .filter(rollout=rollouts.find(rollout), run_id=run)
                .order_by("-decided_at")
                .first()
            )
            if found is None:
                self.refuse(f"The run {run!r} never asked for a decision.")
        steps = explanations.of_decision(found, flag=flag)
        flags = without_credentials(found.flags)
        self._tell(found.workflow, found.reason, steps, flags)

    def _explain_context(
        self, rollout: str, text: str, at: datetime | None, flag: str
    ) -> None:
        asked = strict_json.read(text.encode(errors="surrogateescape"), limit=LARGEST)
        if not isinstance(asked, dict):
            self.refuse("--context is a JSON object.")
        tried = explanations.try_context(rollout, asked, at=at, flag=flag)
        answer, steps = tried.answer, tried.flag_steps or tried.steps
        flags = without_credentials(answer.flags)
        self._tell(answer.workflow, answer.reason, steps, flags)

    def _tell(
        self, workflow: str, reason: str, steps: list[dict], flags: dict[str, Any]
    ) -> None:
        lines = [f"{workflow} ({reason})"]
        lines += [f"  {step['outcome']:>5}  {step['says']}" for step in steps]
        self.say(
            "\n".join(lines),
            workflow=workflow,
            reason=reason,
            steps=steps,
            flags=flags,
        )
