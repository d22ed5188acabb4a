"""The codes of refusals about incidents, drills, verification and release gates."""

from portal.domain.refusals import CHANGED, NO, YES, Known

CODES: dict[str, Known] = {
    "INCIDENT_EXISTS": Known(
        (409,), "An incident about the same is active.", "Go on there.", NO
    ),
    "MILESTONE_OUT_OF_ORDER": Known(
        (422,),
        "It cannot have been then.",
        "Name a moment after the last milestone, and not ahead.",
        CHANGED,
    ),
    "TASKS_OPEN": Known(
        (409,), "Required tasks are open.", "Do them, or waive them.", CHANGED
    ),
    "POSTMORTEM_MISSING": Known(
        (409,),
        "The incident has no postmortem that a person has written.",
        "Begin and write it first.",
        CHANGED,
    ),
    "POSTMORTEM_BEGUN": Known((409,), "It has been begun.", "Go on with it.", NO),
    "REVIEW_REQUIRED": Known(
        (403,),
        "The review of broken glass does this task, by a third person.",
        "Write the review in the admin.",
        NO,
    ),
    "MATCHED_TWICE": Known(
        (409,),
        "Two rows of the matrix claim the same sign.",
        "Take it from one of them.",
        CHANGED,
    ),
    "RUNBOOK_IN_USE": Known(
        (409,), "It is being followed here already.", "Go on with that use.", NO
    ),
    "DRILL_RUNNING": Known(
        (409,), "Another drill of the rollout is under way.", "Wait for its end.", YES
    ),
    "DRILL_OBSTRUCTED": Known(
        (409,),
        "Something forbids drills now.",
        "`detail` says what.",
        CHANGED,
    ),
    "DRILL_LACKING": Known(
        (409,), "The drill would not count.", "`detail` says what is missing.", CHANGED
    ),
    "DRILL_LOG_INVALID": Known(
        (422,), "The log of a drill cannot be so.", "`errors` points at it.", CHANGED
    ),
    "OBSERVER_IS_CONDUCTOR": Known(
        (403,), "Whoever conducted a drill does not observe it.", "Ask another.", NO
    ),
    "OBSERVER_IS_NO_PERSON": Known(
        (403,), "A drill is observed by a person.", "Confirm it in person.", NO
    ),
    "CANNOT_START": Known(
        (503,),
        "The host cannot start a program.",
        "Tell the operator what `detail` says.",
        CHANGED,
    ),
    "VERIFICATION_RUNNING": Known(
        (409,), "A verification is under way.", "Wait for its end.", YES
    ),
    "SUITE_MISSING": Known(
        (404,),
        "The verification file cannot be read.",
        "The operator names it in `VERIFICATION_FILE`.",
        CHANGED,
    ),
    "SUITE_INVALID": Known(
        (422,), "The verification file is not valid.", "`errors` points at it.", CHANGED
    ),
    "NO_SANDBOX": Known(
        (503,),
        "The host has no sandbox for commands.",
        "The operator installs bubblewrap.",
        CHANGED,
    ),
    "GATE_INVALID": Known(
        (422,), "This is no release gate.", "`errors` points at it.", CHANGED
    ),
    "PACK_UNDER_WAY": Known(
        (409,), "A pack is being put together.", "Wait for its end.", YES
    ),
    "NOT_WAIVABLE": Known(
        (403,), "This requirement cannot be waived.", "It has to be met.", NO
    ),
}
