"""What people see of a rollout and its runs."""

from rollout.admin import (
    artifacts,
    clients,
    decisions,
    directives,
    flags,
    runs,
    snapshots,
    stages,
    switch,
)

__all__ = [
    "artifacts",
    "clients",
    "decisions",
    "directives",
    "flags",
    "runs",
    "snapshots",
    "stages",
    "switch",
]
