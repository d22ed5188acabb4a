"""The acts of this app that take two people."""

from drills.services import matrix
from portal.services.approvals import register

register(matrix.change)
register(matrix.retire)
