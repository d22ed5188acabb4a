"""What people see and do: lists, read pages, and acts that ask for a reason."""

from portal.admin import approvals, jobs, ledger, people

__all__ = ["approvals", "jobs", "ledger", "people"]
