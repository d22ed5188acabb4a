"""`manage.py check_verification`: look at the verification file of this host."""

from typing import Any

from drills.services import verification
from portal.commands import PortalCommand


class Command(PortalCommand):
    help = "Say what this host would carry out, or what is wrong with its file."

    def carry_out(self, **_: Any) -> None:
        host = verification.look_at_file()
        lines = [f"{each['name']:30} {each['proves']}" for each in host.checks]
        self.say(
            "\n".join([*lines, f"sandbox: {host.sandbox}"]),
            digest=host.digest,
            checks=host.checks,
            error=host.error,
            sandbox=host.sandbox,
        )
        if host.error:
            self.found(host.error)
