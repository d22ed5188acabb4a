"""`manage.py seed_baseline`: the rollout that every portal starts with."""

from typing import Any

from portal.commands import PortalCommand
from rollout.services import rollouts


class Command(PortalCommand):
    help = "Make the baseline's rollout, flags and stages; what is there stays."

    def carry_out(self, **options: Any) -> None:
        rollout, made = rollouts.seed_baseline(by=self.host, reason="baseline")
        self.say(
            f"{rollout.key}: {f'made {len(made)} things' if made else 'all there'}",
            rollout=rollout.key,
            made=made,
        )
