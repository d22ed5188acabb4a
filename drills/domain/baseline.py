"""The rows of the matrix that ship."""

from drills.domain.incidents import Severity
from drills.domain.matrix import Row
from drills.domain.signs import Origin, Sign

MANIFEST, GATES = "manifest.json", "gates.json"
AUDIT, CHECKPOINT = "logs/audit.jsonl", "logs/timeout-checkpoint.md"
CITATIONS, BLOCKED = "citations/citations.jsonl", "citations/blocked-urls.json"
SUMMARIES, SYNTHESIS = "summaries/summary-pack.json", "synthesis/final-synthesis.md"
# What holds for every row.
POLICY = (
    "Keep the artifacts and record the reason; if a hard gate keeps failing, send that "
    "request to the standard workflow."
)


def _gate(letter: str) -> Origin:
    return Origin(Sign.HARD_GATE_FAILED, letter)


ROWS: dict[str, Row] = {
    "sources-blocked": Row(
        symptom="Sources blocked: 403, 429 or a CAPTCHA",
        severity=Severity.MIDDLE,
        matches=(Origin(Sign.SOURCES_BLOCKED),),
        diagnosis=(
            "Read citations/blocked-urls.json: which hosts refused, and with what?",
            "Is it one host, one provider of pages, or everything?",
            "Do the endpoints for fetching pages answer from this network?",
            "Did gate C fail because of it, or does it hold without those sources?",
        ),
        rollback_trigger="sources-blocked; citations-failing if gate C fails often",
        fallback_action="Hold the stage while sources refuse; send what is affected to "
        "the standard workflow; do not ask a refusing host again and again.",
        artifacts=(MANIFEST, GATES, CITATIONS, BLOCKED),
    ),
    "provider-outage": Row(
        symptom="Model or provider outage",
        severity=Severity.HIGH,
        matches=(Origin(Sign.PROVIDER_FAILED),),
        diagnosis=(
            "Does the provider's own status page tell of an outage?",
            "Which halt codes and messages stand in the runs' failures?",
            "Do runs of the standard workflow reach the same provider?",
            "Is a quota used up, or a key no longer good?",
        ),
        rollback_trigger="provider-failing: two or more failures in a row",
        fallback_action="Hold the stage until the provider answers again; pause open "
        "runs rather than let them hang; standard workflow for what cannot wait.",
        artifacts=(MANIFEST, AUDIT),
    ),
    "wave-output-invalid": Row(
        symptom="The wave output validator fails",
        severity=Severity.MIDDLE,
        matches=(_gate("B"),),
        diagnosis=(
            "Read gate B's notes: which outputs could not be parsed, or lack sources?",
            "Are the same perspectives concerned in every run?",
            "Has the prompt, the model or the contract of outputs changed?",
            "Were both retries spent on the same outputs?",
        ),
        rollback_trigger="outputs-unparseable: under 80 % parseable; hard-gate-failed",
        fallback_action="The run falls back to the standard workflow; hold the stage "
        "when it happens again under the same configuration.",
        artifacts=(MANIFEST, GATES, AUDIT),
    ),
    "citation-integrity": Row(
        symptom="Citation integrity: UNKNOWN_CID, malformed JSONL, low coverage",
        severity=Severity.MIDDLE,
        matches=(_gate("C"),),
        diagnosis=(
            "Read gate C's metrics: validated, invalid and uncategorised rates.",
            "Is every line of citations.jsonl valid JSON with a known identifier?",
            "Do cited identifiers exist (UNKNOWN_CID)?",
            "Were sources blocked in these runs? Then that is the incident.",
        ),
        rollback_trigger="citations-failing: gate C fails in too many runs",
        fallback_action="The run falls back to the standard workflow; no report with "
        "unproven citations leaves the house.",
        artifacts=(MANIFEST, GATES, CITATIONS),
    ),
    "silent-hang": Row(
        symptom="Watchdog timeout or silent hang",
        severity=Severity.HIGH,
        matches=(Origin(Sign.TIMED_OUT),),
        diagnosis=(
            "Read the checkpoint: in which stage did it stop, and after what?",
            "Is the process gone, or does it run without progress?",
            "Did other runs make progress at that time?",
            "Does a lock or a tick marker still lie in the run's root?",
        ),
        rollback_trigger="silent-hang: a run was ended by the watchdog",
        fallback_action="The run is failed and keeps its artifacts; send the request "
        "to the standard workflow; stop a process that still runs.",
        artifacts=(MANIFEST, CHECKPOINT, AUDIT),
    ),
    "revision-conflict": Row(
        symptom="Manifest or gates: conflicting revisions",
        severity=Severity.MIDDLE,
        matches=(Origin(Sign.REVISION_CONFLICT),),
        diagnosis=(
            "Compare the two documents of that revision, side by side.",
            "Do two processes write the same run root?",
            "Was a run root copied or restored from a backup?",
        ),
        rollback_trigger="conflicts-persist: three conflicts within ten minutes",
        fallback_action="Pause the run; keep both documents; let one writer go on, or "
        "send the request to the standard workflow.",
        artifacts=(MANIFEST, GATES),
    ),
    "gate-inputs-drift": Row(
        symptom="Gate inputs drift: a status contradicts its metrics",
        severity=Severity.MIDDLE,
        matches=(Origin(Sign.GATE_INPUTS_DRIFT),),
        diagnosis=(
            "Which threshold does the gate's own metric miss?",
            "Does the inputs digest belong to the files that are there now?",
            "Has the research system another version of the gate's rules?",
        ),
        rollback_trigger="none by itself: drift never counts as a pass",
        fallback_action="Treat the gate as failed; have it judged anew from the files.",
        artifacts=(MANIFEST, GATES),
    ),
    "audit-stream": Row(
        symptom="The audit stream is missing or corrupt",
        severity=Severity.HIGH,
        matches=(Origin(Sign.AUDIT_CORRUPT),),
        diagnosis=(
            "From which line on is logs/audit.jsonl missing or broken?",
            "Is the disk of the research system full, or the file still being written?",
            "Do the manifest's revisions go on where the audit stops?",
        ),
        rollback_trigger="none by itself: hold by hand until it is known what happened",
        fallback_action="Pause the run; keep the broken file as it is; nothing that "
        "cannot be traced counts as evidence.",
        artifacts=(AUDIT, MANIFEST),
    ),
    "misconfigured-sensitivity": Row(
        symptom="Misconfigured sensitivity: no_web by mistake",
        severity=Severity.MIDDLE,
        matches=(Origin(Sign.SENSITIVITY_MISCONFIGURED),),
        diagnosis=(
            "Which sensitivity was asked for, which decided, which reported?",
            "Do the stage's plan, a rule, or the settings file say no_web?",
            "Who changed it last, and was that approved?",
        ),
        rollback_trigger="none by itself: less web is no danger",
        fallback_action="Put it right by a change; send requests that need the web to "
        "the standard workflow meanwhile.",
        artifacts=(MANIFEST, GATES),
    ),
    "summary-or-synthesis": Row(
        symptom="Summary or synthesis missing or stale",
        severity=Severity.MIDDLE,
        matches=(_gate("D"), _gate("E")),
        diagnosis=(
            "Is there a summary for every validated source, within its size?",
            "Is the synthesis newer than the summaries that it rests on?",
            "Which numbers or sections does gate E miss?",
            "How many review rounds were spent?",
        ),
        rollback_trigger="hard-gate-failed: what the stage's plan says",
        fallback_action="The run falls back to the standard workflow; keep summaries "
        "and synthesis for comparison.",
        artifacts=(MANIFEST, GATES, SUMMARIES, SYNTHESIS),
    ),
    "web-exposure": Row(
        symptom="Unapproved web exposure",
        severity=Severity.CRITICAL,
        matches=(Origin(Sign.WEB_EXPOSED), _gate("F")),
        diagnosis=(
            "Which sensitivity was decided, and which does the run report?",
            "What did the run send, and where to?",
            "How did NO_WEB come to be off: settings file, command line, rule?",
            "Which other runs of that installation are concerned?",
        ),
        rollback_trigger="web-exposed: roll back and freeze changes",
        fallback_action="Engage the switch if more than one run is concerned; cancel "
        "the runs; restore NO_WEB; write the exception report.",
        artifacts=(MANIFEST, GATES, AUDIT),
    ),
    "flag-contract": Row(
        symptom="The feature-flag contract fails",
        severity=Severity.HIGH,
        matches=(Origin(Sign.VERIFICATION_FAILED),),
        diagnosis=(
            "Read the transcript: which check failed, and with what?",
            "Does the settings export say what the snapshot says?",
            "Does the research system read the settings file that is written?",
            "Does it pass when it is run again with nothing changed?",
        ),
        rollback_trigger="verification-failed: expansion pauses",
        fallback_action="Hold, or switch off when flags are not followed; no signature "
        "until it was corrected and run again.",
        artifacts=(MANIFEST, AUDIT),
    ),
    "run-revived": Row(
        symptom="A final run was revived",
        severity=Severity.HIGH,
        matches=(Origin(Sign.FINAL_RUN_REVIVED),),
        diagnosis=(
            "Which status had it reported, and which does it report now?",
            "Did somebody resume it by hand, or did a process go on writing?",
            "Was it told to stop, and did it acknowledge that?",
            "Has what it wrote since been used by anybody?",
        ),
        rollback_trigger="conflicts-persist, when it goes on",
        fallback_action="Cancel it again at its research system; what it wrote after "
        "its end is no evidence.",
        artifacts=(MANIFEST, GATES, AUDIT),
    ),
}
