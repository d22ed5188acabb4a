"""What people see of incidents, of the matrix, of drills and of verification runs."""

from drills.admin import (
    break_glass,
    drills,
    incidents,
    matrix,
    tasks,
    verification,
)

__all__ = ["break_glass", "drills", "incidents", "matrix", "tasks", "verification"]
