"""Have the database itself refuse what nobody may do to evidence and governed rows."""

from django.db import migrations

from portal.models.guards import (
    define_guard,
    define_version_guard,
    versioned,
    written_once,
)

EVIDENCE = [
    "ledgerentry",
    # Notifications and attempts to deliver them.
    "notification",
    "deliveryattempt",
    # Checkpoints, the sealer's keys and the nodes of the tree.
    "checkpoint",
    "sealerkey",
    "ledgernode",
]
GOVERNED = ["apitoken", "approval", "endpoint", "person", "rolegrant"]


class Migration(migrations.Migration):
    dependencies = [("portal", "0001_initial")]

    operations = [
        define_guard(),
        define_version_guard(),
        *(written_once(f"portal_{each}") for each in EVIDENCE),
        # Every version of a governed row is evidence, too.
        *(written_once(f"portal_historical{each}") for each in GOVERNED),
        *(versioned(f"portal_{each}", f"portal_historical{each}") for each in GOVERNED),
    ]
