"""`manage.py seed_baseline`: the rollout that every portal starts with."""

from typing import Any

from portal.commands import PortalCommand
from portal.services import baselines
from rollout.services import rollouts


class Command(PortalCommand):
    help = "Make the baseline: rollout, flags, stages, matrix; what is there stays."

    def carry_out(self, **options: Any) -> None:
        rollout, made = rollouts.seed_baseline(by=self.host, reason="baseline")
        made += baselines.seed_all(self.host, "baseline")
        self.say(
            f"{rollout.key}: {f'made {len(made)} things' if made else 'all there'}",
            rollout=rollout.key,
            made=made,
        )
