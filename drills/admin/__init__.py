"""What people see of incidents and of the matrix."""

from drills.admin import incidents, matrix, tasks

__all__ = ["incidents", "matrix", "tasks"]
