"""Which clients of the edge have which epoch, and which flags are asked for."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, F, Q, QuerySet

from portal import clock
from portal.domain.roles import May
from portal.errors import Invalid
from portal.models import Actor
from portal.services.access import require
from rollout.models import EdgeClient, Switch
from rollout.services import rollouts

FORGOTTEN_AFTER = timedelta(days=7)
PRESENT = timedelta(hours=1)  # who was not seen for longer is not waited for
LONGEST_NAME = 100

# A token or a rollout that is gone has no client; an epoch never goes back.
_NOTE = """
INSERT INTO rollout_edgeclient (token_id, client, rollout_id, epoch, seen_at)
SELECT token.id, %s, rollout.id, %s, %s
FROM portal_apitoken token, rollout_rollout rollout
WHERE token.id = %s AND rollout.key = %s
ON CONFLICT (rollout_id, token_id, client) DO UPDATE SET
    epoch = greatest(rollout_edgeclient.epoch, excluded.epoch),
    seen_at = greatest(rollout_edgeclient.seen_at, excluded.seen_at)
"""
_USED = """
INSERT INTO rollout_flaguse (rollout_id, key, {column})
SELECT rollout.id, flag.key, %s
FROM rollout_rollout rollout JOIN rollout_flag flag ON flag.rollout_id = rollout.id
WHERE rollout.key = %s {of_flag}
ORDER BY flag.key
ON CONFLICT (rollout_id, key) DO UPDATE SET
    {column} = greatest(rollout_flaguse.{column}, excluded.{column})
"""
_ASKED = _USED.format(column="last_asked_at", of_flag="AND flag.key = %s")
_BULK = _USED.format(column="last_bulk_at", of_flag="")


def note(served: Mapping[tuple[str, int, str], int], *, at: datetime) -> None:
    """Write down which epoch (rollout, token, client) were given.

    In one order everywhere, so that two edges never wait for each other.
    """
    with connection.cursor() as cursor:
        cursor.executemany(
            _NOTE,
            [
                (client, epoch, at, token, rollout)
                for (rollout, token, client), epoch in sorted(served.items())
            ],
        )
    EdgeClient.objects.filter(seen_at__lt=at - FORGOTTEN_AFTER).delete()


def note_use(
    by_name: Iterable[tuple[str, str]], in_bulk: Iterable[str], *, at: datetime
) -> None:
    """Write down which flags (rollout, key) were asked for, and which rollouts'."""
    with connection.cursor() as cursor:
        cursor.executemany(_ASKED, [(at, *each) for each in sorted(by_name)])
        cursor.executemany(_BULK, [(at, each) for each in sorted(in_bulk)])


def acknowledge(rollout_key: str, epoch: int, client: str, *, by: Actor) -> Switch:
    """A client says that it goes by this epoch; the switch as it stands."""
    require(by, May.DECIDE, rollout=rollout_key)
    found = Switch.objects.get(rollout=rollouts.find(rollout_key))
    if epoch > found.epoch:
        detail = f"is newer than the switch, whose epoch is {found.epoch}"
        raise Invalid(
            f"The epoch {epoch} {detail}.",
            errors=[{"pointer": "/epoch", "detail": detail}],
        )
    note({(rollout_key, by.token.pk, client): epoch}, at=clock.now())
    return found


def with_distance() -> QuerySet[EdgeClient]:
    """All clients, with how many epochs each is `behind` its rollout's switch."""
    return EdgeClient.objects.annotate(behind=F("rollout__switch__epoch") - F("epoch"))


def with_clients(switches: QuerySet[Switch]) -> QuerySet[Switch]:
    """Switches with their `clients` that are here, and how many are `missing` it."""
    here = Q(rollout__clients__seen_at__gte=clock.now() - PRESENT)
    late = Q(rollout__clients__epoch__lt=F("epoch"))
    return switches.annotate(
        clients=Count("rollout__clients", filter=here),
        missing=Count("rollout__clients", filter=here & late),
    )


def standing() -> QuerySet[Switch]:
    """Per rollout: the current epoch, how many clients are here, how many lack it."""
    return with_clients(Switch.objects.select_related("rollout")).order_by("rollout")
