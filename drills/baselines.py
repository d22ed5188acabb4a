"""What this app adds to a portal that begins."""

from drills.services import matrix, runbooks
from portal.services.baselines import register

register(matrix.seed)
register(runbooks.seed)
