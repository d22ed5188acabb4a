"""Guard checkpoints, the sealer's keys and the nodes of the tree."""

from django.db import migrations

from portal.models.guards import written_once

TABLES = ["portal_checkpoint", "portal_ledgernode", "portal_sealerkey"]


class Migration(migrations.Migration):
    dependencies = [("portal", "0005_sealing")]

    operations = [written_once(table) for table in TABLES]
