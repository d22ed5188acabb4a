"""Databases in which every migration has run, made once per set of migrations.

Running them takes longer than most tests together, and each whole portal of a journey
would do it again; so they run once, and everybody gets a copy of the files. A set that
only has more of them goes on from the one before.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

from portal.embedded import postgres_directory

ROOT = Path(__file__).resolve().parents[1]
# Where the code can only be read, as in a sandbox, they are made each time.
KEPT = ROOT if os.access(ROOT, os.W_OK) else Path(tempfile.gettempdir())
HOME = KEPT / ".test-databases"


def copy_to(var: Path) -> None:
    """Put such a database into a state directory that has none."""
    prepared = HOME / _name()
    if not prepared.exists():
        HOME.mkdir(exist_ok=True)
        with (HOME / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not prepared.exists():
                _make(prepared)
    home = postgres_directory(var)
    home.mkdir(parents=True, exist_ok=True)
    _copy(prepared, home / "postgres")


def _files() -> dict[str, str]:
    """What a database depends on: migrations, of ours and of the libraries."""
    files = [ROOT / "requirements.txt", *sorted(ROOT.glob("*/migrations/*.py"))]
    return {
        str(file.relative_to(ROOT)): sha256(file.read_bytes()).hexdigest()
        for file in files
    }


def _name() -> str:
    """Other for other migrations."""
    return sha256(json.dumps(_files()).encode()).hexdigest()[:16]


def _made_of(prepared: Path) -> Path:
    return prepared.with_suffix(".json")


def _begun() -> Path | None:
    """The database that has most of the migrations, and none that there is not."""
    wanted = _files().items()
    found = {}
    for listed in HOME.glob("*.json"):
        files = json.loads(listed.read_text())
        if listed.with_suffix("").is_dir() and files.items() <= wanted:
            found[len(files)] = listed.with_suffix("")
    return found[max(found)] if found else None


def _make(prepared: Path) -> None:
    mine = ("DATABASE_URL", "REDIS_URL")
    others = {name: value for name, value in os.environ.items() if name not in mine}
    begun = _begun()
    with tempfile.TemporaryDirectory(prefix="portal-prepared-") as place:
        var = Path(place)
        var.chmod(0o755)  # PostgreSQL runs as another user when we are root
        if begun is not None:
            postgres_directory(var).mkdir(parents=True, exist_ok=True)
            _copy(begun, postgres_directory(var) / "postgres")
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            cwd=ROOT,
            env=others | {"VAR": place, "LOG_LEVEL": "ERROR"},
            check=True,
        )
        half = prepared.with_suffix(".half")
        shutil.rmtree(half, ignore_errors=True)
        _copy(postgres_directory(var) / "postgres", half)
    for outdated in HOME.iterdir():
        if outdated.is_dir() and outdated not in (half, begun):
            shutil.rmtree(outdated)
            _made_of(outdated).unlink(missing_ok=True)
    _made_of(prepared).write_text(json.dumps(_files()))
    half.rename(prepared)


def _copy(source: Path, target: Path) -> None:
    """With its owner, which `shutil` does not keep."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)
