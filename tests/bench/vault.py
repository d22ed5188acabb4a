"""What it costs to upload an artifact, beside a plain copy onto the same disk."""

import os
import shutil
import time
from collections.abc import Iterator
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

from rollout.domain.artifacts import field_from_digest
from tests.bench import servers
from tests.faults.conftest import Portal

ROUNDS = 5
SIZE = 200 * 1024 * 1024
CHUNK = 1024 * 1024
WARM = 2 * CHUNK  # for imports and connections
BAR = 0.50
MOST_GROWTH_MB = 64


def figures() -> Iterator[dict[str, object]]:
    """Megabytes per second through a web process, and its memory meanwhile."""
    with servers.a_portal() as portal, servers.serving_portal(portal) as port:
        given = portal.var / "given.bin"
        _upload(port, portal, given, "warm.bin", _write(given, WARM))
        before = _peak_mb(portal)
        rounds = []
        for number in range(ROUNDS):
            digest = _write(given)
            copied = _copy(given, portal.var / "copied.bin")
            uploaded = _upload(port, portal, given, f"{number}.bin", digest)
            rounds.append((copied, uploaded))
        grown = _peak_mb(portal) - before
    copies, uploads = map(median, zip(*rounds, strict=True))
    ratio = median(copied / uploaded for copied, uploaded in rounds)
    size_mb = SIZE / 1e6
    yield {
        "what": "upload of 200 MiB through the web process / plain copy with fsync",
        "copy_mb_per_s": round(size_mb / copies),
        "upload_mb_per_s": round(size_mb / uploads),
        "ratio": round(ratio, 3),
        "bar": BAR,
        "is_met": ratio >= BAR,
    }
    yield {
        "what": "how much the peak of the web process's memory grew meanwhile",
        "grown_mb": grown,
        "bar": MOST_GROWTH_MB,
        "is_met": grown <= MOST_GROWTH_MB,
    }


def _write(path: Path, size: int = SIZE) -> str:
    """Bytes that nobody has; their digest."""
    hasher = sha256()
    with path.open("wb") as file:
        for _ in range(size // CHUNK):
            chunk = os.urandom(CHUNK)
            hasher.update(chunk)
            file.write(chunk)
        os.fsync(file.fileno())
    return f"sha256:{hasher.hexdigest()}"


def _copy(source: Path, target: Path) -> float:
    """Seconds for a plain copy that is on the disk afterwards."""
    target.unlink(missing_ok=True)
    started = time.perf_counter()
    with source.open("rb") as given, target.open("wb") as file:
        shutil.copyfileobj(given, file, CHUNK)
        file.flush()
        os.fsync(file.fileno())
    return time.perf_counter() - started


def _upload(port: int, portal: Portal, given: Path, name: str, digest: str) -> float:
    """Seconds until the portal says that it has kept the file."""
    headers = {
        "Authorization": f"Bearer {portal.token}",
        "Content-Type": "application/octet-stream",
        "Content-Digest": field_from_digest(digest),
        "Content-Length": str(given.stat().st_size),
    }
    connection = HTTPConnection("127.0.0.1", port, timeout=120, blocksize=CHUNK)
    started = time.perf_counter()
    with given.open("rb") as file:
        path = f"/api/v1/runs/bench/artifacts/{name}"
        connection.request("PUT", path, body=file, headers=headers)
        answer = connection.getresponse()
        said = answer.read()
    took = time.perf_counter() - started
    connection.close()
    if answer.status != 201:
        raise SystemExit(f"error: an upload was answered {answer.status}: {said!r}")
    return took


def _peak_mb(portal: Portal) -> int:
    """The most memory that the web process has had, in megabytes."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            command = (status.parent / "cmdline").read_bytes()
            environment = (status.parent / "environ").read_bytes()
        except OSError:
            continue
        if b"uvicorn" in command and f"VAR={portal.var}\0".encode() in environment:
            for line in status.read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) // 1024
    raise SystemExit("error: there is no web process to measure")
