"""Guard symptoms and firings, and every version of a trigger."""

from django.db import migrations

from portal.models.guards import written_once

TABLES = [
    "rollout_symptom",
    "rollout_triggerfiring",
    "rollout_historicaltrigger",
]


class Migration(migrations.Migration):
    dependencies = [("rollout", "0009_triggers")]

    operations = [written_once(table) for table in TABLES]
