"""`manage.py check_invariants`: does everything hold that always has to?"""

from itertools import islice
from typing import Any

from django.db import connection, transaction

from portal.commands import PortalCommand
from rollout.services.invariants import INVARIANTS, MOST_SHOWN


class Command(PortalCommand):
    help = "Check the ten invariants on the live database; exit status 1 if one breaks."

    def carry_out(self, **options: Any) -> None:
        with transaction.atomic():
            if len(connection.savepoint_ids) == 0:
                self._stand_still()
            results = self._results()
        broken = [each for each in results if not each["holds"]]
        lines = [
            f"{'✓' if each['holds'] else '✗'} {each['number']:>2}  {each['statement']}"
            + "".join(f"\n      {finding}" for finding in each["findings"])
            for each in results
        ]
        self.say("\n".join(lines), invariants=results, found=len(broken))
        if broken:
            numbers = ", ".join(str(each["number"]) for each in broken)
            self.found(f"broken: {numbers}")

    def _stand_still(self) -> None:
        """Let every check see the same moment, whatever goes on meanwhile."""
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def _results(self) -> list[dict[str, Any]]:
        results = []
        for invariant in INVARIANTS:
            findings = list(islice(invariant.check(), MOST_SHOWN))
            results.append(
                {
                    "number": invariant.number,
                    "statement": invariant.statement,
                    "holds": not findings,
                    "findings": findings,
                }
            )
        return results
