"""Databases in which every migration has run, made once per set of migrations.

Each process of the suite and each whole portal of a journey would run them again; so
they run once, and everybody gets a copy of the files.
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


def _name() -> str:
    """Other for other migrations, of ours and of the libraries, and what they use."""
    models = ROOT / "portal" / "models"
    found = {
        str(file.relative_to(ROOT)): sha256(file.read_bytes()).hexdigest()
        for file in (
            ROOT / "requirements.txt",
            models / "guards.py",
            models / "tables.py",
            *sorted(ROOT.glob("*/migrations/*.py")),
        )
    }
    return sha256(json.dumps(found).encode()).hexdigest()[:16]


def _make(prepared: Path) -> None:
    mine = ("DATABASE_URL", "REDIS_URL")
    others = {name: value for name, value in os.environ.items() if name not in mine}
    with tempfile.TemporaryDirectory(prefix="portal-prepared-") as place:
        var = Path(place)
        var.chmod(0o755)  # PostgreSQL runs as another user when we are root
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
        if outdated.is_dir() and outdated != half:
            shutil.rmtree(outdated)
    half.rename(prepared)


def _copy(source: Path, target: Path) -> None:
    """With its owner, which `shutil` does not keep."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)
