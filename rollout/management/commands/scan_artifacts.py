"""`manage.py scan_artifacts`: have every artifact scanned now, also the large ones."""

from collections import Counter
from itertools import chain
from typing import Any

from django.core.management.base import CommandParser

from portal.commands import PortalCommand
from rollout.domain.scanning import Verdict
from rollout.domain.scanning_reading import Limits
from rollout.services import contents, scans

SHOWN = 50
AT_ONCE = 500
ON_THE_HOST = Limits(read=4 * 1024**3, unpacked=4 * 1024**3)


class Command(PortalCommand):
    help = (
        "Scan the artifacts that have no final scan by the present rules; exit status "
        "1 when something is not clean, or when a scan comes out differently."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--rescan",
            action="store_true",
            help="read the others again, too, and compare",
        )

    def carry_out(self, rescan: bool, **_: Any) -> None:
        differing, shown = [], []
        new, verdicts = 0, Counter()
        for digest in chain.from_iterable(contents.all_digests(AT_ONCE)):
            scan, is_new = scans.scan(
                digest,
                by=self.host,
                reason="Asked for on the host.",
                limits=ON_THE_HOST,
            )
            new += is_new
            if rescan and not is_new and scan.is_final:
                again = scans.read(digest, limits=ON_THE_HOST)
                if again.verdict != scan.verdict:
                    differing.append(digest)
            verdict = scans.standings([digest])[digest].verdict
            verdicts[str(verdict)] += 1
            if verdict != Verdict.CLEAN:
                shown.append({"digest": digest, "verdict": str(verdict)})
        counts = {str(each): verdicts[str(each)] for each in Verdict}
        said = ", ".join(f"{count} {name}" for name, count in counts.items())
        self.say(
            "\n".join(
                [f"{each['verdict']}: {each['digest']}" for each in shown[:SHOWN]]
                + [f"differs: {digest}" for digest in differing[:SHOWN]]
                + [f"{new} scanned now; {said}"]
            ),
            scanned=new,
            verdicts=counts,
            not_clean=shown[:SHOWN],
            differing=differing[:SHOWN],
            rules=scans.rules_version(),
        )
        if differing:
            self.found(f"{len(differing)} scans come out differently")
        if shown:
            self.found(f"{len(shown)} contents are not clean")
