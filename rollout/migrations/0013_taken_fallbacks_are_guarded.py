"""Guard every version of how a fallback offer was taken."""

from django.db import migrations

from portal.models.guards import written_once


class Migration(migrations.Migration):
    dependencies = [("rollout", "0012_taken_fallbacks")]

    operations = [written_once("rollout_historicalrouting")]
