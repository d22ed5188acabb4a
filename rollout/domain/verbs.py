"""What can have been done to a rollout and its runs, in the past tense."""

from enum import StrEnum


class Verb(StrEnum):
    """The verbs of this app in the ledger."""

    ROLLOUT_CREATED = "rollout.rollout.created"
    SWITCH_ENGAGED = "rollout.switch.engaged"
    SWITCH_RELEASED = "rollout.switch.released"
    FLAG_CREATED = "rollout.flag.created"
    FLAG_CHANGED = "rollout.flag.changed"
    STAGE_CREATED = "rollout.stage.created"
    STAGE_STARTED = "rollout.stage.started"
    STAGE_HELD = "rollout.stage.held"
    STAGE_RESUMED = "rollout.stage.resumed"
    COVERAGE_NARROWED = "rollout.stage.coverage_narrowed"
    COVERAGE_WIDENED = "rollout.stage.coverage_widened"
    RUN_DECIDED = "rollout.run.decided"
    MANIFEST_RECEIVED = "rollout.run.manifest_received"
    GATES_RECEIVED = "rollout.run.gates_received"
    DOCUMENT_KEPT = "rollout.run.document_kept"
    EVENTS_RECEIVED = "rollout.run.events_received"
    ARTIFACT_STORED = "rollout.run.artifact_stored"
    RUN_ADVANCED = "rollout.run.advanced"
    ADVANCE_REFUSED = "rollout.run.advance_refused"
    GATE_FAILURE_CONFIRMED = "rollout.run.gate_failure_confirmed"
    RUN_FELL_BACK = "rollout.run.fell_back"
    FALLBACK_ADOPTED = "rollout.run.fallback_adopted"
    RUN_IMPORTED = "rollout.run.imported"
