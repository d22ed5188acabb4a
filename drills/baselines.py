"""What this app adds to a portal that begins."""

from drills.services import matrix, release_gates, runbooks
from portal.services.baselines import register

register(matrix.seed)
register(runbooks.seed)
register(release_gates.seed)
