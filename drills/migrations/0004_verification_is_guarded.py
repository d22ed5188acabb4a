"""Guard what a verification run was, said and came to."""

from django.db import migrations

from portal.models.guards import written_once

TABLES = [
    "drills_verificationrun",
    "drills_verificationresult",
    "drills_verificationverdict",
]


class Migration(migrations.Migration):
    dependencies = [("drills", "0003_verification")]

    operations = [written_once(table) for table in TABLES]
