"""The acts of this app that take two people."""

from drills.services import (
    availability,
    break_glass,
    matrix,
    release_gates,
    runbooks,
    waivers,
)
from portal.services.approvals import register

register(break_glass.break_glass)
register(matrix.change)
register(matrix.retire)
register(release_gates.change)
register(waivers.grant)
register(availability.open_up)
register(runbooks.change)
register(runbooks.retire)
