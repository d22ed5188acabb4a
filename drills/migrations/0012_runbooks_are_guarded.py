"""Guard the versions of runbooks, their uses and what came of their steps."""

from django.db import migrations

from portal.models.guards import written_once

TABLES = [
    "drills_runbookuse",
    "drills_runbooktick",
    "drills_historicaloperatorrunbook",
]


class Migration(migrations.Migration):
    dependencies = [("drills", "0011_runbooks"), ("portal", "0002_written_once")]

    operations = [written_once(table) for table in TABLES]
