"""What this app adds to `/readyz`."""

from datetime import timedelta

from django.conf import settings
from django.template.defaultfilters import filesizeformat

from portal import clock
from portal.services.health import Finding, register
from rollout.models import Content, Rollout, Snapshot
from rollout.services import vault

MOST_COUNTED = 100


def snapshot() -> Finding:
    """There is something that decides."""
    if not Rollout.objects.exists():
        return Finding(False, "no rollout; run `manage.py seed_baseline`")
    newest = Snapshot.objects.order_by("-pk").values_list("revision", flat=True).first()
    return Finding(newest is not None, f"revision {newest} decides")


def artifacts() -> Finding:
    """What the vault holds was found intact, lately."""
    troubled = len(Content.objects.exclude(trouble="")[:MOST_COUNTED])
    if troubled:
        return Finding(
            False,
            f"{troubled} contents of the vault are damaged or missing: see Contents",
            is_vital=False,
        )
    oldest = Content.objects.order_by("checked_at").first()
    if oldest is None:
        return Finding(True, "the vault is empty", is_vital=False)
    age = clock.now() - oldest.checked_at
    # The sweep begins with a content on the day that it is due; a day is its slack.
    allowed = timedelta(days=settings.ARTIFACTS_CHECKED_EVERY_DAYS + 1)
    says = f"all intact; the oldest look is {age.days} days old"
    return Finding(age <= allowed, says, is_vital=False)


def disk() -> Finding:
    """There is room for artifacts."""
    free = vault.free_bytes()
    if free is None:
        return Finding(True, "artifacts are in a bucket", is_vital=False)
    is_well = free >= settings.ARTIFACTS_LEAST_FREE_BYTES
    says = f"{filesizeformat(free)} are free for artifacts".replace("\xa0", " ")
    return Finding(is_well, says, is_vital=False)


register("snapshot", snapshot)
register("artifacts", artifacts)
register("disk", disk)
