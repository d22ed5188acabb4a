"""Have the database itself refuse what nobody may do to evidence and governed rows."""

from django.db import migrations

from portal.models.guards import versioned, written_once

EVIDENCE = [
    "advance",
    "artifact",
    "decision",
    "fallbackoffer",
    "rundocument",
    "runevent",
    "runtimeout",
    "snapshot",
    # What was said about changes.
    "changecomment",
    # Evaluations, reviews, rollbacks and their reports, and who was on call.
    "evaluation",
    "failurereview",
    "oncall",
    "reconciliation",
    "rollback",
    # Symptoms, and what triggers made of them.
    "symptom",
    "triggerfiring",
    # Scans and what they found.
    "finding",
    "scan",
]
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
    dependencies = [("portal", "0002_guards"), ("rollout", "0001_initial")]

    operations = [
        *(written_once(f"rollout_{each}") for each in EVIDENCE),
        # Every version of a governed row is evidence, too.
        *(written_once(f"rollout_historical{each}") for each in GOVERNED),
        *(
            versioned(f"rollout_{each}", f"rollout_historical{each}")
            for each in GOVERNED
        ),
    ]
