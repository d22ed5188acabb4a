"""What people see of incidents, of the matrix, of drills and of verification runs."""

from drills.admin import drills, incidents, matrix, runbooks, tasks, verification

__all__ = ["drills", "incidents", "matrix", "runbooks", "tasks", "verification"]
