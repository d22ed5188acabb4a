"""What people see of a rollout and its runs."""

from rollout.admin import (
    artifacts,
    changes,
    clients,
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
    triggers,
)

__all__ = [
    "artifacts",
    "changes",
    "clients",
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
    "triggers",
]
