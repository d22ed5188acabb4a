"""The agent: beside an installation of the research system, HTTP to the portal only.

It exports settings, reports run roots, drives runs tick by tick and carries out what
the portal asks. It knows no database; what it has to remember is in its own directory.
"""

from importlib.metadata import PackageNotFoundError, version


def _version() -> str:
    try:
        return version("rollout-governance-portal")
    except PackageNotFoundError:  # run from a checkout
        return "0.1.0"


VERSION = _version()
