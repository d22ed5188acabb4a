"""The acts of this app that take two people."""

from portal.services.approvals import register
from rollout.services import flags, stages, switch

for approvable in (
    switch.release,
    stages.start,
    stages.resume,
    stages.widen,
    flags.change,
):
    register(approvable)
