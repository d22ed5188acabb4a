"""Guard evaluations, reviews, rollbacks and their reports, and every version."""

from django.db import migrations

from portal.models.guards import written_once

TABLES = [
    "rollout_evaluation",
    "rollout_failurereview",
    "rollout_rollback",
    "rollout_reconciliation",
    "rollout_oncall",
    "rollout_historicalfreeze",
]


class Migration(migrations.Migration):
    dependencies = [("rollout", "0007_the_canary_engine")]

    operations = [written_once(table) for table in TABLES]
