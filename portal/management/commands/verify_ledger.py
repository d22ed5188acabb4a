"""`manage.py verify_ledger`: was anything in the ledger altered?"""

from typing import Any

from portal.commands import PortalCommand
from portal.models import LedgerEntry
from portal.services import ledger

SHOWN = 20


class Command(PortalCommand):
    help = (
        "Check every entry of the ledger. Exit status 0: intact; 1: altered, with the "
        "first bad entry; 2: cannot tell."
    )

    def carry_out(self, **options: Any) -> None:
        findings = [
            {"seq": each.seq, "kind": str(each.fault), "detail": each.detail}
            for each in ledger.verify()
        ]
        head = (
            LedgerEntry.objects.order_by("-seq").values_list("seq", flat=True).first()
        )
        findings.sort(key=lambda finding: finding["seq"])
        self.say(
            "\n".join(
                f"entry {each['seq']}: {each['kind']}: {each['detail']}"
                for each in findings[:SHOWN]
            )
            or f"intact: {head or 0} entries",
            intact=not findings,
            entries=head or 0,
            findings=findings[:SHOWN],
            found=len(findings),
        )
        if findings:
            first = findings[0]
            self.found(
                f"{len(findings)} findings; the first is entry {first['seq']} "
                f"({first['kind']})"
            )
