"""What people see: incidents, the matrix, drills, verification, release gates."""

from drills.admin import (
    break_glass,
    drills,
    incidents,
    matrix,
    packs,
    release_gates,
    runbooks,
    tasks,
    verification,
)

__all__ = [
    "break_glass",
    "drills",
    "incidents",
    "matrix",
    "packs",
    "release_gates",
    "runbooks",
    "tasks",
    "verification",
]
