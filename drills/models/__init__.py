"""The tables of incidents, of the matrix and of drills."""

from drills.models.checklists import StepResult
from drills.models.drills import (
    Drill,
    DrillCapture,
    DrillLever,
    DrillNote,
    DrillSchedule,
    DrillStep,
)
from drills.models.incidents import Incident, Sighting
from drills.models.matrix import MatrixRow
from drills.models.postmortems import Postmortem
from drills.models.runbooks import OperatorRunbook, RunbookTick, RunbookUse
from drills.models.tasks import IncidentTask
from drills.models.timelines import IncidentLink, TimelineEntry
from drills.models.timers import IncidentTimer
from drills.models.verification import (
    VerificationHost,
    VerificationResult,
    VerificationRun,
    VerificationVerdict,
)

__all__ = [
    "Drill",
    "DrillCapture",
    "DrillLever",
    "DrillNote",
    "DrillSchedule",
    "DrillStep",
    "Incident",
    "IncidentLink",
    "IncidentTask",
    "IncidentTimer",
    "MatrixRow",
    "OperatorRunbook",
    "Postmortem",
    "RunbookTick",
    "RunbookUse",
    "Sighting",
    "StepResult",
    "TimelineEntry",
    "VerificationHost",
    "VerificationResult",
    "VerificationRun",
    "VerificationVerdict",
]
