"""What people see and do: lists, read pages, and acts that ask for a reason."""

from portal.admin import (
    approvals,
    endpoints,
    jobs,
    ledger,
    notifications,
    people,
    tokens,
)

__all__ = [
    "approvals",
    "endpoints",
    "jobs",
    "ledger",
    "notifications",
    "people",
    "tokens",
]
