"""The suite's servers, started before Django reads its settings (`-p tests.servers`).

`DATABASE_URL` and `REDIS_URL` name servers of one's own; without them the embedded
ones are started in a fresh directory, and everything is gone afterwards.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from portal.embedded import Servers, database_url, redis_url
from tests import prepared

_var = Path(tempfile.mkdtemp(prefix="portal-tests-"))
_var.chmod(0o755)  # PostgreSQL runs as another user when we are root
os.environ["VAR"] = str(_var)
os.environ.setdefault("SECRET_KEY", "tests-only-" + "x" * 60)
os.environ.setdefault("REDIS_PREFIX", f"portal-test-{os.getpid()}")
if worker := os.environ.get("PYTEST_XDIST_WORKER"):  # of several on one server
    os.environ["REDIS_PREFIX"] += f"-{worker}"
os.environ.setdefault("LOG_LEVEL", "CRITICAL")

if "DATABASE_URL" not in os.environ:
    prepared.copy_to(_var)
    os.environ["TEST_TEMPLATE"] = "portal"  # its name; see `tests.conftest`
_servers = Servers(_var, is_durable=False)
_servers.start(
    postgres="DATABASE_URL" not in os.environ, valkey="REDIS_URL" not in os.environ
)
os.environ.setdefault("DATABASE_URL", database_url(_var))
os.environ.setdefault("REDIS_URL", redis_url(_var))


@atexit.register
def _clean_up() -> None:
    _servers.stop()
    shutil.rmtree(_var, ignore_errors=True)
