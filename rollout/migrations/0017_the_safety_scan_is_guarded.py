"""Guard scans and findings, and every version of an allowance."""

from django.db import migrations

from portal.models.guards import written_once

TABLES = [
    "rollout_scan",
    "rollout_finding",
    "rollout_historicalallowance",
]


class Migration(migrations.Migration):
    dependencies = [("rollout", "0016_the_safety_scan")]

    operations = [written_once(table) for table in TABLES]
