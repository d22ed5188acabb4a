"""What this app adds to `/readyz`."""

from portal.services.health import Finding, register
from rollout.models import Rollout, Snapshot


def snapshot() -> Finding:
    """There is something that decides."""
    if not Rollout.objects.exists():
        return Finding(False, "no rollout; run `manage.py seed_baseline`")
    newest = Snapshot.objects.order_by("-pk").values_list("revision", flat=True).first()
    return Finding(newest is not None, f"revision {newest} decides")


register("snapshot", snapshot)
