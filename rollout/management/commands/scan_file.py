"""`manage.py scan_file PATH…`: scan files on this disk; nothing is stored."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from portal.commands import PortalCommand
from rollout.domain.scanning import SAYS, Report, Verdict
from rollout.domain.scanning_layers import scan
from rollout.domain.scanning_rules import RULES_VERSION
from rollout.services import scans

CHUNK = 1024 * 1024


class Command(PortalCommand):
    help = (
        "Scan files and folders as artifacts are scanned; exit status 0 when all is "
        "clean, 1 when something is not."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")

    def carry_out(self, paths: list[Path], **_: Any) -> None:
        reports: dict[str, Report] = {}
        for path in _files(paths):
            try:
                reports[str(path)] = scan(_chunks(path), key=scans.key())
            except OSError as error:
                self.refuse(f"{path} cannot be read: {error.strerror}.")
        not_clean = sum(r.verdict != Verdict.CLEAN for r in reports.values())
        self.say(
            "\n".join(line for path, r in reports.items() for line in _said(path, r)),
            rules=RULES_VERSION,
            files=[
                {
                    "path": path,
                    "verdict": str(report.verdict),
                    "troubles": sorted(report.troubles),
                    "findings": [asdict(each) for each in report.findings],
                }
                for path, report in reports.items()
            ],
        )
        if not_clean:
            self.found(f"{not_clean} of {len(reports)} files are not clean")


def _files(paths: list[Path]) -> Iterator[Path]:
    """The files named, and those in folders; links are not followed."""
    for path in paths:
        if path.is_dir():
            found = (each for each in path.rglob("*") if not each.is_symlink())
            yield from sorted(each for each in found if each.is_file())
        else:
            yield path


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _said(path: str, report: Report) -> Iterator[str]:
    yield f"{report.verdict}: {path}"
    for trouble in sorted(report.troubles):
        yield f"  not read in full: {SAYS[trouble]}"
    for each in report.findings:
        unpacked = "".join(f" in {name}" for name in reversed(each.place.chain))
        yield (
            f"  line {each.place.line}{unpacked}, byte {each.place.offset}: "
            f"{each.family} {each.preview}"
        )
