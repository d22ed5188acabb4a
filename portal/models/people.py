"""People and the roles that they hold."""

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.db.models import Q
from django.utils.crypto import salted_hmac

from portal.domain.roles import Role
from portal.models.choices import choices, is_known
from portal.models.tracked import SilentChange, Tracked, TrackedQuerySet


class PersonManager(UserManager.from_queryset(TrackedQuerySet)):
    """Looks people up; they come into being through `people.invite` only."""

    def _create_user(self, *args, **kwargs):
        raise SilentChange(
            "People are invited by somebody: use people.invite() "
            "or `manage.py create_person`."
        )

    _create_user_object = _create_user


class Person(Tracked, AbstractUser):
    """Somebody who can sign in. Deactivated, never deleted.

    Django's superuser bit is kept for its forms and means nothing here: what a
    person may do is in their roles alone.
    """

    operational_fields = frozenset({"password"})

    first_name = None
    last_name = None
    last_login = None
    groups = None
    user_permissions = None
    full_name = models.CharField(max_length=200, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    must_change_password = models.BooleanField(default=False)
    second_factor_since = models.DateTimeField(
        null=True, blank=True, help_text="Empty: the password alone lets them in."
    )
    credentials_reset_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When somebody else last reset their password or second factor.",
    )

    REQUIRED_FIELDS: list[str] = []
    objects = PersonManager()

    class Meta:
        verbose_name_plural = "people"
        ordering = ["username"]

    def __str__(self) -> str:
        return self.full_name or self.username

    def get_full_name(self) -> str:
        return str(self)

    def get_short_name(self) -> str:
        return self.username

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What a session rests on: with another password, second factor or role, it
        has ended."""
        held = ",".join(sorted(self.roles))
        rests_on = f"{self.password}|{self.second_factor_since}|{held}"
        return salted_hmac(
            "portal.models.Person", rests_on, secret=secret, algorithm="sha256"
        ).hexdigest()

    @property
    def roles(self) -> frozenset[Role]:
        """The roles held now, read once per request."""
        if not hasattr(self, "_roles"):
            held = self.role_grants.filter(revoked_at=None)
            self._roles = frozenset(
                Role(name) for name in held.values_list("role", flat=True)
            )
        return self._roles

    def forget_roles(self) -> None:
        """Read the roles again when they are asked for next."""
        self.__dict__.pop("_roles", None)

    # Django's permissions are about tables; ours are about acts. Everybody with a
    # role may look at everything in the admin, and changes go through acts.
    def has_perm(self, perm: str, obj: object = None) -> bool:
        return self.is_active and bool(self.roles) and ".view_" in perm

    def has_perms(self, perm_list, obj: object = None) -> bool:
        return all(self.has_perm(perm, obj) for perm in perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active and bool(self.roles)

    def get_all_permissions(self, obj: object = None) -> set[str]:
        return set()


class RoleGrant(Tracked):
    """A role that a person holds, from when, and who gave it."""

    person = models.ForeignKey(Person, models.PROTECT, related_name="role_grants")
    role = models.CharField(max_length=20, choices=choices(Role))
    granted_by = models.ForeignKey("portal.Actor", models.PROTECT, related_name="+")
    confirmed_by = models.ForeignKey(
        "portal.Actor", models.PROTECT, related_name="+", null=True, blank=True
    )
    granted_at = models.DateTimeField()
    at_installation = models.BooleanField(
        default=False, help_text="Set before anybody signed in: no waiting time."
    )
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["person", "role", "-granted_at"]
        constraints = [
            is_known("role", Role, name="role_is_known"),
            models.UniqueConstraint(
                name="role_is_held_once",
                fields=["person", "role"],
                condition=Q(revoked_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person}: {self.role}"
