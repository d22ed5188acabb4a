"""Guard what was said about changes, and the versions of changes and segments."""

from django.db import migrations

from portal.models.guards import written_once

TABLES = [
    "rollout_changecomment",
    "rollout_historicalchange",
    "rollout_historicalsegment",
]


class Migration(migrations.Migration):
    dependencies = [("rollout", "0004_change_requests")]

    operations = [written_once(table) for table in TABLES]
