"""Have the database refuse what is written to governed tables without a version."""

from django.db import migrations

from portal.models.guards import define_version_guard, versioned

GOVERNED = ["apitoken", "approval", "endpoint", "person", "rolegrant"]


class Migration(migrations.Migration):
    dependencies = [("portal", "0007_second_factors")]

    operations = [
        define_version_guard(),
        *(versioned(f"portal_{each}", f"portal_historical{each}") for each in GOVERNED),
    ]
