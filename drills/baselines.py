"""What this app adds to a portal that begins."""

from drills.services import matrix
from portal.services.baselines import register

register(matrix.seed)
