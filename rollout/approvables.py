"""The acts of this app that take two people."""

from portal.services.approvals import register
from rollout.services import allowances, changes, promotions, stages, switch

for approvable in (
    switch.release,
    stages.start,
    stages.resume,
    stages.enable,
    promotions.promote,
    allowances.allow,
    changes.approve,
    changes.approve_low_risk,
):
    register(approvable)
