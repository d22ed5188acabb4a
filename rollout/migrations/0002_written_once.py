"""Guard evidence and every history table."""

from django.db import migrations

from portal.models.guards import written_once

EVIDENCE = [
    "advance",
    "artifact",
    "decision",
    "fallbackoffer",
    "rundocument",
    "runevent",
    "snapshot",
]
HISTORY = ["attempt", "flag", "rollout", "rule", "run", "stage", "switch"]
TABLES = [
    *(f"rollout_{name}" for name in EVIDENCE),
    *(f"rollout_historical{name}" for name in HISTORY),
]


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0002_written_once"),
        ("rollout", "0001_rollouts_and_runs"),
    ]

    operations = [written_once(table) for table in TABLES]
