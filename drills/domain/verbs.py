"""What can have been done to incidents and the matrix, in the past tense."""

from enum import StrEnum


class Verb(StrEnum):
    """The verbs of this app in the ledger."""

    INCIDENT_OPENED = "drills.incident.opened"
    INCIDENT_ACKNOWLEDGED = "drills.incident.acknowledged"
    INCIDENT_UNACKNOWLEDGED = "drills.incident.unacknowledged"
    INCIDENT_MITIGATED = "drills.incident.mitigated"
    INCIDENT_RESOLVED = "drills.incident.resolved"
    INCIDENT_REVIEWED = "drills.incident.reviewed"
    INCIDENT_CLOSED = "drills.incident.closed"
    INCIDENT_CANCELLED = "drills.incident.cancelled"
    INCIDENT_REOPENED = "drills.incident.reopened"
    INCIDENT_NOTED = "drills.incident.noted"
    INCIDENT_LINKED = "drills.incident.linked"
    INCIDENT_RECLASSIFIED = "drills.incident.reclassified"
    INCIDENT_HANDED_OVER = "drills.incident.handed_over"
    INCIDENT_OVERDUE = "drills.incident.found_overdue"
    STEP_RECORDED = "drills.incident.step_recorded"
    TASK_GIVEN = "drills.task.given"
    TASK_FINISHED = "drills.task.finished"
    TASK_DROPPED = "drills.task.dropped"
    TASK_REOPENED = "drills.task.reopened"
    POSTMORTEM_DRAFTED = "drills.postmortem.drafted"
    POSTMORTEM_WRITTEN = "drills.postmortem.written"
    MATRIX_ROW_CREATED = "drills.matrix_row.created"
    MATRIX_ROW_CHANGED = "drills.matrix_row.changed"
    MATRIX_ROW_RETIRED = "drills.matrix_row.retired"
