"""Guard every version of a broadcast."""

from django.db import migrations

from portal.models.guards import written_once


class Migration(migrations.Migration):
    dependencies = [("rollout", "0014_directives_that_are_proven")]

    operations = [written_once("rollout_historicalbroadcast")]
