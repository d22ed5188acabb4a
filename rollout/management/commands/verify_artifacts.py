"""`manage.py verify_artifacts`: are the bytes of every artifact what they were?"""

from dataclasses import asdict
from typing import Any

from portal.commands import PortalCommand
from rollout.services import artifacts

SHOWN = 50


class Command(PortalCommand):
    help = "Read every stored artifact and check its digest; exit status 1 on damage."

    def carry_out(self, **options: Any) -> None:
        count, damaged = 0, []
        found = artifacts.verify(by=self.host, reason="verify_artifacts")
        for _digest, affected in found:
            count += 1
            damaged += [asdict(each) for each in affected]
        self.say(
            "\n".join(
                f"{each['trouble']}: {each['run_id']} {each['path']} "
                f"version {each['version']}"
                for each in damaged[:SHOWN]
            )
            or f"intact: {count} contents",
            intact=not damaged,
            contents=count,
            damaged=damaged[:SHOWN],
            found=len(damaged),
        )
        if damaged:
            self.found(f"{len(damaged)} artifacts are not what they were")
