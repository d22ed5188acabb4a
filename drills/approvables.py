"""The acts of this app that take two people."""

from drills.services import break_glass, matrix
from portal.services.approvals import register

register(break_glass.break_glass)
register(matrix.change)
register(matrix.retire)
