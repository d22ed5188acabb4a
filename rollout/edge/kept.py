"""The signed file that an edge goes by when it starts without the database.

It holds the newest snapshots and the keyed hashes of the tokens, never a token; what
was changed by anybody but a portal with the same secret key is refused. An edge never
replaces it by anything older, so that no restart leads back to a lower epoch.
"""

import fcntl
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import structlog
from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from portal.domain.roles import May
from rollout.edge.knowledge import Held, Token

SCHEMA = "edge.v1"
_SALT = "rollout.edge.snapshot"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a file holds."""

    held: Mapping[str, Held]
    tokens: Mapping[str, Token]
    confirmed_at: float  # by the wall clock

    @property
    def age_s(self) -> float:
        """Its age; what comes from the future is trusted for nothing."""
        age = time.time() - self.confirmed_at
        return age if age >= 0 else float("inf")


def write(kept: Kept) -> None:
    """Replace the file; it is on the disk, and whole, when this returns."""
    path: Path = settings.EDGE_SNAPSHOT
    body = orjson.dumps(_to_json(kept)).decode()
    with path.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        there = read()
        if there is not None and _is_newer(there, kept):
            return
        new = path.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(orjson.dumps({"signature": _signature(body), "body": body}))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def read() -> Kept | None:
    """What the file holds; None, and a line in the log, when it cannot be trusted."""
    try:
        raw = settings.EDGE_SNAPSHOT.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("edge_snapshot_refused", why=str(error))
        return None
    try:
        said = orjson.loads(raw)
        if not constant_time_compare(said["signature"], _signature(said["body"])):
            raise ValueError("its signature is not ours")
        return _from_json(orjson.loads(said["body"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("edge_snapshot_refused", why=str(error))
        return None


def _is_newer(there: Kept, kept: Kept) -> bool:
    # A clock that was put back must not keep the file as it is.
    is_later = kept.confirmed_at < there.confirmed_at <= time.time()
    return is_later or any(
        new.is_older_than(there.held.get(key)) for key, new in kept.held.items()
    )


def _signature(body: str) -> str:
    return salted_hmac(_SALT, body, algorithm="sha256").hexdigest()


def _to_json(kept: Kept) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "confirmed_at": kept.confirmed_at,
        "rollouts": [
            {
                "key": key,
                "kind": held.kind,
                "revision": held.revision,
                "epoch": held.epoch,
                "published_at": held.published_at,
                "body": held.body,
            }
            for key, held in kept.held.items()
        ],
        "tokens": [
            {
                "id": token.id,
                "keyed_hash": hashed,
                "name": token.name,
                "rollout": token.rollout,
                "grants": sorted(token.grants),
                "expires_at": token.expires_at.isoformat(),
            }
            for hashed, token in kept.tokens.items()
        ],
    }


def _from_json(raw: Mapping[str, Any]) -> Kept:
    if raw["schema"] != SCHEMA:
        raise ValueError(f"its schema is {raw['schema']}")
    return Kept(
        {
            each["key"]: Held.of(
                each["kind"], each["revision"], each["body"], each["published_at"]
            )
            for each in raw["rollouts"]
        },
        {
            each["keyed_hash"]: Token(
                each["name"],
                each["rollout"],
                frozenset(May(grant) for grant in each["grants"]),
                datetime.fromisoformat(each["expires_at"]),
                each["id"],
            )
            for each in raw["tokens"]
        },
        raw["confirmed_at"],
    )
