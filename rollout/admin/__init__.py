"""What people see of a rollout and its runs."""

from rollout.admin import (
    artifacts,
    decisions,
    directives,
    flags,
    runs,
    snapshots,
    stages,
    switch,
    triggers,
)

__all__ = [
    "artifacts",
    "decisions",
    "directives",
    "flags",
    "runs",
    "snapshots",
    "stages",
    "switch",
    "triggers",
]
