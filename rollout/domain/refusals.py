"""The codes of refusals about decisions, runs, flags, stages and changes."""

from portal.domain.refusals import CHANGED, NO, YES, Known

_LOOK = "Read it as it is now, then decide."

CODES: dict[str, Known] = {
    # Decisions and flags
    "ROLLOUT_REQUIRED": Known(
        (422,), "Nobody said which rollout.", "Add `?rollout=KEY`.", CHANGED
    ),
    "DECISION_CONFLICT": Known(
        (409,),
        "The run was decided with other inputs.",
        "A new run takes a new `run_id`; an old one asks as before.",
        NO,
    ),
    "REPLAY_DIFFERS": Known(
        (409,),
        "A recorded decision comes out differently now.",
        "Tell the operator: `difference` shows where.",
        NO,
    ),
    "TARGETING_KEY_MISSING": Known(
        (422,),
        "A percentage needs a `targetingKey`.",
        "Send one; for a run it is its id.",
        CHANGED,
    ),
    # Documents, events, artifacts
    "REVISION_MISMATCH": Known(
        (409,),
        "The revision is older than the one that is known, or says something else. It "
        "is kept as evidence.",
        "Go on with the next revision, above `known_revision`.",
        NO,
    ),
    "LIFECYCLE_RULE_VIOLATION": Known(
        (409, 422),
        "A run that has ended is not revived; a hard gate never warns.",
        "`detail` says which rule.",
        NO,
    ),
    "EVENT_CONFLICT": Known(
        (409,),
        "An event with this `seq` is known, with other content.",
        "Number on from `last_seq`.",
        NO,
    ),
    "DIGEST_REQUIRED": Known(
        (400,),
        "An artifact without `Content-Digest`.",
        "Send `sha-256=:BASE64:` (RFC 9530).",
        CHANGED,
    ),
    "DIGEST_MALFORMED": Known(
        (400,),
        "`Content-Digest` is not `sha-256=:BASE64:`.",
        "Encode the 32 bytes, not their hex digits.",
        CHANGED,
    ),
    "DIGEST_MISMATCH": Known(
        (409,), "Other bytes arrived than were announced.", "Send it again.", YES
    ),
    "UNSAFE_PATH": Known(
        (422,),
        "This is no name for an artifact.",
        "Name it relative to the run's folder, without `..`.",
        CHANGED,
    ),
    "ARTIFACT_BLOCKED": Known(
        (403,),
        "The safety scan has found a secret in it.",
        "A person can ask with `even_blocked=true`; the ledger tells of it.",
        NO,
    ),
    "ARTIFACT_DAMAGED": Known(
        (409,),
        "The bytes in the vault are damaged.",
        "The operator restores them from a backup.",
        CHANGED,
    ),
    "ARTIFACT_MISSING": Known(
        (404,),
        "The bytes are gone from the vault.",
        "The operator restores them from a backup.",
        CHANGED,
    ),
    "QUOTA_EXCEEDED": Known(
        (507,),
        "The artifacts of the rollout have used up their quota.",
        "Ask the operator for more.",
        CHANGED,
    ),
    "STORAGE_UNAVAILABLE": Known(
        (503,),
        "The vault cannot be read or written now.",
        "Wait for `Retry-After` seconds.",
        YES,
    ),
    # Runs going on
    "DISABLED": Known(
        (409,),
        "The switch is engaged, or the run's manifest disables it.",
        "Stop, and use the standard workflow.",
        NO,
    ),
    "RUN_FINAL": Known(
        (409,), "The run has ended.", "Stop; a new run takes a new `run_id`.", NO
    ),
    "STAGE_MISMATCH": Known(
        (409,),
        "The run is in another stage than it says.",
        "Report the newest manifest, then ask again.",
        CHANGED,
    ),
    "REQUESTED_NEXT_NOT_ALLOWED": Known(
        (409,),
        "That stage does not follow, or not with what the run has found.",
        "`preconditions` shows what is not fulfilled.",
        NO,
    ),
    "MISSING_ARTIFACT": Known(
        (409,),
        "The portal does not hold a file that the next stage needs.",
        "Send the artifact that `preconditions` names.",
        CHANGED,
    ),
    "GATE_BLOCKED": Known(
        (409,),
        "A gate before the next stage has not passed.",
        "Try the stage again and report its gates.",
        CHANGED,
    ),
    "WAVE_CAP_EXCEEDED": Known(
        (409,), "More outputs than the limits allow.", "End the run.", NO
    ),
    "REVIEW_CAP_EXCEEDED": Known(
        (409,), "More reviews than the limits allow.", "End the run.", NO
    ),
    "DIRECTIVE_STALE": Known(
        (409,),
        "The directive is over: another took its place, or the run has ended.",
        "Read the directives again.",
        NO,
    ),
    "DIRECTIVE_UNKNOWN": Known(
        (422,), "There is no such directive.", "`detail` names them.", CHANGED
    ),
    "NO_HARD_GATE_FAIL": Known(
        (409,),
        "No hard gate has failed, so there is nothing to fall back from.",
        "Report the gates first, if one has failed.",
        CHANGED,
    ),
    "NOTHING_TO_REVIEW": Known(
        (409,), "The gate has not failed for good.", "Wait until it has.", CHANGED
    ),
    "ALREADY_ALLOWED": Known(
        (409,), "The finding is allowed already.", "Nothing is left to do.", NO
    ),
    # Changes
    "CHANGE_BASE_MOVED": Known(
        (409,),
        "The configuration has changed since this was proposed.",
        "Rebase the change, and have it approved again.",
        CHANGED,
    ),
    "CHANGE_CONFLICT": Known(
        (409,), "What this edits is not what it was.", "Propose it anew.", CHANGED
    ),
    "CHANGE_EXPIRED": Known(
        (409,), "The change is too old.", "Propose it anew.", CHANGED
    ),
    "APPROVAL_REQUIRED": Known(
        (409,),
        "Another person has to approve this first.",
        "Somebody approves it in the admin.",
        CHANGED,
    ),
    "CANNOT_CONFIRM_OWN_REQUEST": Known(
        (403,),
        "Whoever asked does not approve.",
        "Another person approves it in the admin.",
        NO,
    ),
    "NOT_THE_AUTHOR": Known(
        (403,),
        "Only whoever proposed a change edits it or takes it back.",
        "Comment, approve or reject instead.",
        NO,
    ),
    "NOTHING_CHANGES": Known(
        (422,), "The change would change nothing.", "Nothing is left to do.", NO
    ),
    "NOTHING_TO_PREVIEW": Known((409,), "The change is over.", _LOOK, NO),
    "PATCH_INVALID": Known(
        (422,),
        "The JSON Patch cannot be carried out.",
        "`detail` says which operation, and why.",
        CHANGED,
    ),
    "CONFIGURATION_INVALID": Known(
        (422,), "The configuration cannot be so.", "`errors` points at it.", CHANGED
    ),
    "FLAG_VALUE_INVALID": Known(
        (422,), "The flag cannot have this value.", "`detail` says why.", CHANGED
    ),
    "FLAG_IS_THE_DECISION": Known(
        (422,),
        "`PAI_DR_CLI_ENABLED` is decided, not set.",
        "Start a stage, or engage the switch.",
        NO,
    ),
    "RULE_INVALID": Known(
        (422,), "This is no condition of a rule.", "`detail` says why.", CHANGED
    ),
    "PLAN_INVALID": Known(
        (422,), "The plan contradicts itself.", "`errors` points at it.", CHANGED
    ),
    "PLAN_INFEASIBLE": Known(
        (422,),
        "The plan asks for evidence that it never gathers.",
        "`errors` says what would be enough.",
        CHANGED,
    ),
    "STAGES_ARE_FIXED": Known(
        (422,),
        "The stages of a rollout are fixed when it is made.",
        "Edit their plans instead.",
        NO,
    ),
    # Stages
    "FROZEN": Known(
        (409,), "A freeze forbids it.", "Its owner lifts it, or it ends.", CHANGED
    ),
    "NOT_THE_OWNER": Known(
        (403,),
        "A freeze is lifted by its owner, an architect or QA.",
        "Ask one of them.",
        NO,
    ),
    "NOT_READY": Known(
        (409,),
        "A readiness check is not met.",
        "`GET /stages/{key}/readiness` says which.",
        CHANGED,
    ),
    "FOREIGN_FINGERPRINT": Known(
        (409,),
        "The evidence is of another configuration.",
        "Gather evidence of the present one.",
        CHANGED,
    ),
    "SAMPLE_RATIO_OFF": Known(
        (409,),
        "Not as many units are in the canary as its coverage says.",
        "Find what sends units past it, then begin another attempt.",
        CHANGED,
    ),
    "STAGE_NOT_WIDENED": Known(
        (409,), "A stage in this state is not widened.", _LOOK, NO
    ),
    "STAGE_NOT_PROVEN": Known(
        (409,),
        "The evidence has not shown enough yet.",
        "Wait for more runs.",
        CHANGED,
    ),
    "STEP_PASSED_OVER": Known(
        (409,),
        "The plan has a step of coverage in between.",
        "Take the next step.",
        CHANGED,
    ),
    "GENERAL_AVAILABILITY": Known(
        (409,),
        "The last stage is opened for everybody by an act of its own.",
        "Two people do it in the admin.",
        NO,
    ),
}
