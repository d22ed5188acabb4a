"""The acts of this app that take two people."""

from drills.services import matrix, runbooks
from portal.services.approvals import register

register(matrix.change)
register(matrix.retire)
register(runbooks.change)
register(runbooks.retire)
