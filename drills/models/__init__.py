"""The tables of incidents, of the matrix and of drills."""

from drills.models.break_glass import BreakGlass
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
from drills.models.packs import EvidencePack, PackOrder, PackParticipant
from drills.models.postmortems import Postmortem
from drills.models.release_gates import ReleaseGate, Waiver
from drills.models.runbooks import OperatorRunbook, RunbookTick, RunbookUse
from drills.models.signoffs import Availability, Delegation, Signoff, SignoffLapse
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
    "Availability",
    "BreakGlass",
    "Delegation",
    "Drill",
    "DrillCapture",
    "DrillLever",
    "DrillNote",
    "DrillSchedule",
    "DrillStep",
    "EvidencePack",
    "Incident",
    "IncidentLink",
    "IncidentTask",
    "IncidentTimer",
    "MatrixRow",
    "OperatorRunbook",
    "PackOrder",
    "PackParticipant",
    "Postmortem",
    "ReleaseGate",
    "RunbookTick",
    "RunbookUse",
    "Sighting",
    "Signoff",
    "SignoffLapse",
    "StepResult",
    "TimelineEntry",
    "VerificationHost",
    "VerificationResult",
    "VerificationRun",
    "VerificationVerdict",
    "Waiver",
]
