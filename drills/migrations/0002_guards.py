"""Have the database itself refuse what nobody may do to evidence and governed rows."""

from django.db import migrations

from portal.models.guards import versioned, written_once

EVIDENCE = [
    "incidentlink",
    "stepresult",
    # What a verification run was, said and came to.
    "verificationrun",
    "verificationresult",
    "verificationverdict",
    "drillstep",
    "drillcapture",
    "drillnote",
    # Packs and signatures.
    "packorder",
    "evidencepack",
    "packparticipant",
    "signoff",
    "signofflapse",
    "availability",
    # Uses of runbooks, and what came of their steps.
    "runbookuse",
    "runbooktick",
]
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
    dependencies = [("portal", "0002_guards"), ("drills", "0001_initial")]

    operations = [
        *(written_once(f"drills_{each}") for each in EVIDENCE),
        # Every version of a governed row is evidence, too.
        *(written_once(f"drills_historical{each}") for each in GOVERNED),
        *(versioned(f"drills_{each}", f"drills_historical{each}") for each in GOVERNED),
    ]
