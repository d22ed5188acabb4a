"""The tables of incidents and of the matrix."""

from drills.models.checklists import StepResult
from drills.models.incidents import Incident, Sighting
from drills.models.matrix import MatrixRow
from drills.models.postmortems import Postmortem
from drills.models.tasks import IncidentTask
from drills.models.timelines import IncidentLink, TimelineEntry
from drills.models.timers import IncidentTimer

__all__ = [
    "Incident",
    "IncidentLink",
    "IncidentTask",
    "IncidentTimer",
    "MatrixRow",
    "Postmortem",
    "Sighting",
    "StepResult",
    "TimelineEntry",
]
