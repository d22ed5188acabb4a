"""Guard notifications, attempts to deliver them, and every version of an endpoint."""

from django.db import migrations

from portal.models.guards import written_once

TABLES = [
    "portal_notification",
    "portal_deliveryattempt",
    "portal_historicalendpoint",
]


class Migration(migrations.Migration):
    dependencies = [("portal", "0003_notifications")]

    operations = [written_once(table) for table in TABLES]
