"""The acts of this app that take two people."""

from portal.services.approvals import register
from portal.services.people import role_grant

register(role_grant)
