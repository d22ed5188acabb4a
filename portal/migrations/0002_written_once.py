"""Guard the ledger and every history table."""

from django.db import migrations

from portal.models.guards import define_guard, written_once

TABLES = [
    "portal_ledgerentry",
    "portal_historicalperson",
    "portal_historicalrolegrant",
    "portal_historicalapitoken",
    "portal_historicalapproval",
]


class Migration(migrations.Migration):
    dependencies = [("portal", "0001_people_ledger_and_jobs")]

    operations = [define_guard(), *(written_once(table) for table in TABLES)]
