"""The acts of this app that take two people."""

from portal.services.approvals import register
from rollout.services import changes, stages, switch

for approvable in (
    switch.release,
    stages.start,
    stages.resume,
    changes.approve,
    changes.approve_low_risk,
):
    register(approvable)
