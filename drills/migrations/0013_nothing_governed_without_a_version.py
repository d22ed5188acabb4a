"""Have the database refuse what is written to governed tables without a version."""

from django.db import migrations

from portal.models.guards import versioned

GOVERNED = [
    "breakglass",
    "delegation",
    "drill",
    "drilllever",
    "drillschedule",
    "incident",
    "incidenttask",
    "matrixrow",
    "operatorrunbook",
    "postmortem",
    "releasegate",
    "waiver",
]


class Migration(migrations.Migration):
    dependencies = [
        ("drills", "0012_runbooks_are_guarded"),
        ("portal", "0008_nothing_governed_without_a_version"),
    ]

    operations = [
        *(versioned(f"drills_{each}", f"drills_historical{each}") for each in GOVERNED),
    ]
