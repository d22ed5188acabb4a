"""What people see of a rollout and its runs."""

from rollout.admin import (
    artifacts,
    changes,
    decisions,
    directives,
    evaluations,
    flags,
    freezes,
    reviews,
    rollbacks,
    rules,
    runs,
    snapshots,
    stages,
    switch,
)

__all__ = [
    "artifacts",
    "changes",
    "decisions",
    "directives",
    "evaluations",
    "flags",
    "freezes",
    "reviews",
    "rollbacks",
    "rules",
    "runs",
    "snapshots",
    "stages",
    "switch",
]
