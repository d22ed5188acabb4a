"""Have the database refuse what is written to governed tables without a version."""

from django.db import migrations

from portal.models.guards import versioned

GOVERNED = [
    "allowance",
    "attempt",
    "broadcast",
    "change",
    "directive",
    "flag",
    "freeze",
    "rollout",
    "routing",
    "rule",
    "run",
    "segment",
    "stage",
    "switch",
    "trigger",
]


class Migration(migrations.Migration):
    dependencies = [
        ("rollout", "0021_the_version_that_was_told_last"),
        ("portal", "0008_nothing_governed_without_a_version"),
    ]

    operations = [
        *(
            versioned(f"rollout_{each}", f"rollout_historical{each}")
            for each in GOVERNED
        ),
    ]
