"""Database choices from the domain's plain enumerations."""

from enum import StrEnum

from django.db.models import CheckConstraint, Q


def choices(kind: type[StrEnum]) -> list[tuple[str, str]]:
    """Django's `choices` for a `StrEnum`: the value, and the value in words."""
    return [(member.value, member.value.replace("_", " ")) for member in kind]


def is_known(field: str, kind: type[StrEnum], *, name: str) -> CheckConstraint:
    """The database's own promise that `field` holds a member of `kind`."""
    return CheckConstraint(
        name=name, condition=Q(**{f"{field}__in": [member.value for member in kind]})
    )
