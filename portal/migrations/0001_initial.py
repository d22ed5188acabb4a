"""Create the tables of people, the ledger, jobs, notifications and sealing."""

import django.contrib.auth.validators
import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import django.utils.timezone
import simple_history.models
from django.conf import settings
from django.db import migrations, models

import portal.domain.approvals
import portal.domain.jobs
import portal.domain.notifications
import portal.models.people
from portal.models.tables import CreateModels


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        CreateModels(
            models=[
                migrations.CreateModel(
                    name="HistoricalPerson",
                    fields=[
                        ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                        ("is_superuser", models.BooleanField(default=False, help_text="Designates that this user has all permissions without explicitly assigning them.", verbose_name="superuser status")),
                        (
                            "username",
                            models.CharField(
                                db_index=True, error_messages={"unique": "A user with that username already exists."}, help_text="Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.", max_length=150, validators=[django.contrib.auth.validators.UnicodeUsernameValidator()], verbose_name="username"
                            ),
                        ),
                        ("email", models.EmailField(blank=True, max_length=254, verbose_name="email address")),
                        ("is_staff", models.BooleanField(default=False, help_text="Designates whether the user can log into this admin site.", verbose_name="staff status")),
                        ("is_active", models.BooleanField(default=True, help_text="Designates whether this user should be treated as active. Unselect this instead of deleting accounts.", verbose_name="active")),
                        ("date_joined", models.DateTimeField(default=django.utils.timezone.now, verbose_name="date joined")),
                        ("full_name", models.CharField(blank=True, max_length=200)),
                        ("time_zone", models.CharField(default="UTC", max_length=64)),
                        ("must_change_password", models.BooleanField(default=False)),
                        ("second_factor_since", models.DateTimeField(blank=True, help_text="Empty: the password alone lets them in.", null=True)),
                        ("credentials_reset_at", models.DateTimeField(blank=True, help_text="When somebody else last reset their password or second factor.", null=True)),
                        ("history_id", models.AutoField(primary_key=True, serialize=False)),
                        ("history_date", models.DateTimeField(db_index=True)),
                        ("history_change_reason", models.TextField(null=True)),
                        ("history_type", models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1)),
                        ("history_user", models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="portal.actor")),
                    ],
                    options={
                        "verbose_name": "historical person",
                        "verbose_name_plural": "historical people",
                        "ordering": ("-history_date", "-history_id"),
                        "get_latest_by": ("history_date", "history_id"),
                    },
                    bases=(simple_history.models.HistoricalChanges, models.Model),
                ),
                migrations.CreateModel(
                    name="Person",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("password", models.CharField(max_length=128, verbose_name="password")),
                        ("is_superuser", models.BooleanField(default=False, help_text="Designates that this user has all permissions without explicitly assigning them.", verbose_name="superuser status")),
                        (
                            "username",
                            models.CharField(
                                error_messages={"unique": "A user with that username already exists."}, help_text="Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.", max_length=150, unique=True, validators=[django.contrib.auth.validators.UnicodeUsernameValidator()], verbose_name="username"
                            ),
                        ),
                        ("email", models.EmailField(blank=True, max_length=254, verbose_name="email address")),
                        ("is_staff", models.BooleanField(default=False, help_text="Designates whether the user can log into this admin site.", verbose_name="staff status")),
                        ("is_active", models.BooleanField(default=True, help_text="Designates whether this user should be treated as active. Unselect this instead of deleting accounts.", verbose_name="active")),
                        ("date_joined", models.DateTimeField(default=django.utils.timezone.now, verbose_name="date joined")),
                        ("full_name", models.CharField(blank=True, max_length=200)),
                        ("time_zone", models.CharField(default="UTC", max_length=64)),
                        ("must_change_password", models.BooleanField(default=False)),
                        ("second_factor_since", models.DateTimeField(blank=True, help_text="Empty: the password alone lets them in.", null=True)),
                        ("credentials_reset_at", models.DateTimeField(blank=True, help_text="When somebody else last reset their password or second factor.", null=True)),
                    ],
                    options={
                        "verbose_name_plural": "people",
                        "ordering": ["username"],
                    },
                    managers=[
                        ("objects", portal.models.people.PersonManager()),
                    ],
                ),
                migrations.CreateModel(
                    name="HistoricalRoleGrant",
                    fields=[
                        ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                        ("role", models.CharField(choices=[("architect", "architect"), ("qa", "qa"), ("engineer", "engineer"), ("operator", "operator"), ("auditor", "auditor"), ("administrator", "administrator")], max_length=20)),
                        ("granted_at", models.DateTimeField()),
                        ("at_installation", models.BooleanField(default=False, help_text="Set before anybody signed in: no waiting time.")),
                        ("revoked_at", models.DateTimeField(blank=True, null=True)),
                        ("person", models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name="+", to=settings.AUTH_USER_MODEL)),
                        ("granted_by", models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name="+", to="portal.actor")),
                        ("confirmed_by", models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name="+", to="portal.actor")),
                        ("history_id", models.AutoField(primary_key=True, serialize=False)),
                        ("history_date", models.DateTimeField(db_index=True)),
                        ("history_change_reason", models.TextField(null=True)),
                        ("history_type", models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1)),
                        ("history_user", models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="portal.actor")),
                    ],
                    options={
                        "verbose_name": "historical role grant",
                        "verbose_name_plural": "historical role grants",
                        "ordering": ("-history_date", "-history_id"),
                        "get_latest_by": ("history_date", "history_id"),
                    },
                    bases=(simple_history.models.HistoricalChanges, models.Model),
                ),
                migrations.CreateModel(
                    name="RoleGrant",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("person", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="role_grants", to=settings.AUTH_USER_MODEL)),
                        ("role", models.CharField(choices=[("architect", "architect"), ("qa", "qa"), ("engineer", "engineer"), ("operator", "operator"), ("auditor", "auditor"), ("administrator", "administrator")], max_length=20)),
                        ("granted_by", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="portal.actor")),
                        ("confirmed_by", models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="portal.actor")),
                        ("granted_at", models.DateTimeField()),
                        ("at_installation", models.BooleanField(default=False, help_text="Set before anybody signed in: no waiting time.")),
                        ("revoked_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "ordering": ["person", "role", "-granted_at"],
                        "constraints": [
                            models.CheckConstraint(condition=models.Q(("role__in", ["architect", "qa", "engineer", "operator", "auditor", "administrator"])), name="role_is_known"),
                            models.UniqueConstraint(condition=models.Q(("revoked_at", None)), fields=("person", "role"), name="role_is_held_once"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Actor",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("kind", models.CharField(choices=[("person", "person"), ("token", "token"), ("system", "system")], max_length=10)),
                        ("person", models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="actor", to=settings.AUTH_USER_MODEL)),
                        ("token", models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="actor", to="portal.apitoken")),
                        ("name", models.CharField(max_length=200)),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(condition=models.Q(("kind__in", ["person", "token", "system"])), name="actor_kind_is_known"),
                            models.CheckConstraint(
                                condition=models.Q(models.Q(("kind", "person"), ("person__isnull", False), ("token", None)), models.Q(("kind", "token"), ("person", None), ("token__isnull", False)), models.Q(("kind", "system"), ("person", None), ("token", None)), _connector="OR"), name="actor_is_what_its_kind_says"
                            ),
                            models.UniqueConstraint(condition=models.Q(("kind", "system")), fields=("kind",), name="there_is_one_system"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="HistoricalApproval",
                    fields=[
                        ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                        ("act", models.CharField(max_length=80)),
                        ("title", models.CharField(help_text="The act in words.", max_length=80)),
                        ("subject_type", models.CharField(max_length=80)),
                        ("subject_id", models.CharField(max_length=200)),
                        ("subject_name", models.CharField(max_length=300)),
                        ("payload", models.JSONField(blank=True, default=dict)),
                        ("base", models.JSONField(help_text="What the request rests on, as it was then.")),
                        ("digest", models.CharField(help_text="Over act, subject, payload and base.", max_length=71)),
                        ("state", models.CharField(choices=[("pending", "pending"), ("confirmed", "confirmed"), ("rejected", "rejected"), ("withdrawn", "withdrawn"), ("voided", "voided"), ("expired", "expired")], default=portal.domain.approvals.ApprovalState["PENDING"], max_length=10)),
                        ("reason", models.TextField()),
                        ("requested_at", models.DateTimeField()),
                        ("expires_at", models.DateTimeField()),
                        ("decided_at", models.DateTimeField(blank=True, null=True)),
                        ("decision_reason", models.TextField(blank=True)),
                        ("told", models.JSONField(blank=True, default=list, help_text="What was asked for, in sentences, as whoever decided could read it.")),
                        ("requester", models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name="+", to="portal.actor")),
                        ("requester_person", models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name="+", to=settings.AUTH_USER_MODEL)),
                        ("decider", models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name="+", to="portal.actor")),
                        ("decider_person", models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name="+", to=settings.AUTH_USER_MODEL)),
                        ("history_id", models.AutoField(primary_key=True, serialize=False)),
                        ("history_date", models.DateTimeField(db_index=True)),
                        ("history_change_reason", models.TextField(null=True)),
                        ("history_type", models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1)),
                        ("history_user", models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="portal.actor")),
                    ],
                    options={
                        "verbose_name": "historical approval",
                        "verbose_name_plural": "historical approvals",
                        "ordering": ("-history_date", "-history_id"),
                        "get_latest_by": ("history_date", "history_id"),
                    },
                    bases=(simple_history.models.HistoricalChanges, models.Model),
                ),
                migrations.CreateModel(
                    name="Approval",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("act", models.CharField(max_length=80)),
                        ("title", models.CharField(help_text="The act in words.", max_length=80)),
                        ("subject_type", models.CharField(max_length=80)),
                        ("subject_id", models.CharField(max_length=200)),
                        ("subject_name", models.CharField(max_length=300)),
                        ("payload", models.JSONField(blank=True, default=dict)),
                        ("base", models.JSONField(help_text="What the request rests on, as it was then.")),
                        ("digest", models.CharField(help_text="Over act, subject, payload and base.", max_length=71)),
                        ("state", models.CharField(choices=[("pending", "pending"), ("confirmed", "confirmed"), ("rejected", "rejected"), ("withdrawn", "withdrawn"), ("voided", "voided"), ("expired", "expired")], default=portal.domain.approvals.ApprovalState["PENDING"], max_length=10)),
                        ("reason", models.TextField()),
                        ("requester", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="portal.actor")),
                        ("requester_person", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
                        ("requested_at", models.DateTimeField()),
                        ("expires_at", models.DateTimeField()),
                        ("decider", models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="portal.actor")),
                        ("decider_person", models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
                        ("decided_at", models.DateTimeField(blank=True, null=True)),
                        ("decision_reason", models.TextField(blank=True)),
                        ("told", models.JSONField(blank=True, default=list, help_text="What was asked for, in sentences, as whoever decided could read it.")),
                    ],
                    options={
                        "ordering": ["-requested_at", "-pk"],
                        "indexes": [
                            models.Index(fields=["subject_type", "subject_id", "-id"], name="approval_subject"),
                        ],
                        "constraints": [
                            models.CheckConstraint(condition=models.Q(("state__in", ["pending", "confirmed", "rejected", "withdrawn", "voided", "expired"])), name="approval_state_is_known"),
                            models.CheckConstraint(condition=models.Q(models.Q(("state", "confirmed"), _negated=True), models.Q(("decider_person__isnull", False), models.Q(("decider_person", models.F("requester_person")), _negated=True)), _connector="OR"), name="approval_is_confirmed_by_another_person"),
                            models.UniqueConstraint(condition=models.Q(("state", "pending")), fields=("act", "subject_type", "subject_id"), name="approval_is_pending_once"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="SealerKey",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("origin", models.CharField(help_text="The log that it vouches for.", max_length=200)),
                        ("text", models.CharField(help_text="name+id+base64.", max_length=300, unique=True)),
                        ("fingerprint", models.CharField(max_length=71)),
                        ("replaces", models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="replaced_by", to="portal.sealerkey")),
                        ("announced_at", models.DateTimeField()),
                    ],
                    options={
                        "ordering": ["-pk"],
                    },
                ),
                migrations.CreateModel(
                    name="Checkpoint",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("origin", models.CharField(max_length=200)),
                        ("size", models.BigIntegerField()),
                        ("root", models.BinaryField(max_length=32)),
                        ("note", models.TextField(help_text="C2SP tlog-checkpoint, exactly as signed.")),
                        ("at", models.DateTimeField()),
                    ],
                    options={
                        "ordering": ["-pk"],
                        "constraints": [
                            models.UniqueConstraint(fields=("origin", "size"), name="a_log_is_sealed_once_at_a_size"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="LedgerNode",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("height", models.PositiveSmallIntegerField()),
                        ("index", models.BigIntegerField()),
                        ("hash", models.BinaryField(max_length=32)),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("height", "index"), name="a_subtree_has_one_root"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="HistoricalEndpoint",
                    fields=[
                        ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                        ("name", models.CharField(max_length=100)),
                        ("kind", models.CharField(choices=[("webhook", "webhook"), ("slack", "slack"), ("email", "email"), ("approvers", "approvers")], max_length=10)),
                        ("state", models.CharField(choices=[("active", "active"), ("disabled", "disabled"), ("failed", "failed")], default=portal.domain.notifications.EndpointState["ACTIVE"], max_length=10)),
                        ("shown", models.CharField(help_text="The part of its address that may be shown.", max_length=300)),
                        ("address", models.TextField(blank=True)),
                        ("secret", models.TextField(blank=True)),
                        ("old_secret", models.TextField(blank=True)),
                        ("old_secret_until", models.DateTimeField(blank=True, null=True)),
                        ("events", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=80), size=None)),
                        ("rollout", models.CharField(blank=True, help_text="Told of this rollout only.", max_length=100)),
                        ("at_least", models.CharField(choices=[("info", "info"), ("warning", "warning"), ("critical", "critical")], max_length=10)),
                        ("created_at", models.DateTimeField()),
                        ("because", models.CharField(blank=True, help_text="Why it is told nothing.", max_length=500)),
                        ("history_id", models.AutoField(primary_key=True, serialize=False)),
                        ("history_date", models.DateTimeField(db_index=True)),
                        ("history_change_reason", models.TextField(null=True)),
                        ("history_type", models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1)),
                        ("history_user", models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="portal.actor")),
                    ],
                    options={
                        "verbose_name": "historical endpoint",
                        "verbose_name_plural": "historical endpoints",
                        "ordering": ("-history_date", "-history_id"),
                        "get_latest_by": ("history_date", "history_id"),
                    },
                    bases=(simple_history.models.HistoricalChanges, models.Model),
                ),
                migrations.CreateModel(
                    name="Endpoint",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("name", models.CharField(max_length=100)),
                        ("kind", models.CharField(choices=[("webhook", "webhook"), ("slack", "slack"), ("email", "email"), ("approvers", "approvers")], max_length=10)),
                        ("state", models.CharField(choices=[("active", "active"), ("disabled", "disabled"), ("failed", "failed")], default=portal.domain.notifications.EndpointState["ACTIVE"], max_length=10)),
                        ("shown", models.CharField(help_text="The part of its address that may be shown.", max_length=300)),
                        ("address", models.TextField(blank=True)),
                        ("secret", models.TextField(blank=True)),
                        ("old_secret", models.TextField(blank=True)),
                        ("old_secret_until", models.DateTimeField(blank=True, null=True)),
                        ("events", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=80), size=None)),
                        ("rollout", models.CharField(blank=True, help_text="Told of this rollout only.", max_length=100)),
                        ("at_least", models.CharField(choices=[("info", "info"), ("warning", "warning"), ("critical", "critical")], max_length=10)),
                        ("created_at", models.DateTimeField()),
                        ("because", models.CharField(blank=True, help_text="Why it is told nothing.", max_length=500)),
                        ("failing_since", models.DateTimeField(blank=True, null=True)),
                        ("failures", models.PositiveIntegerField(default=0, help_text="In a row.")),
                        ("rests_until", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "ordering": ["-pk"],
                        "indexes": [
                            models.Index(condition=models.Q(("state", "active")), fields=["id"], name="endpoint_active"),
                        ],
                        "constraints": [
                            models.CheckConstraint(condition=models.Q(("kind__in", ["webhook", "slack", "email", "approvers"])), name="endpoint_kind_is_known"),
                            models.CheckConstraint(condition=models.Q(("state__in", ["active", "disabled", "failed"])), name="endpoint_state_is_known"),
                            models.CheckConstraint(condition=models.Q(("at_least__in", ["info", "warning", "critical"])), name="endpoint_severity_is_known"),
                            models.UniqueConstraint(fields=("name",), name="endpoint_has_its_name"),
                            models.CheckConstraint(condition=models.Q(models.Q(("kind", "webhook"), _negated=True), models.Q(("secret", ""), _negated=True), _connector="OR"), name="a_webhook_signs"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="IdempotencyKey",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("actor", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="portal.actor")),
                        ("key", models.CharField(max_length=255)),
                        ("request_digest", models.CharField(help_text="Over method, path and body.", max_length=71)),
                        ("status", models.PositiveSmallIntegerField(null=True)),
                        ("headers", models.JSONField(default=dict)),
                        ("body", models.BinaryField(default=b"")),
                        ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("actor", "key"), name="idempotency_key_is_used_once"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Job",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("kind", models.CharField(help_text="Dotted path of the function.", max_length=120)),
                        ("queue", models.CharField(choices=[("safety", "safety"), ("rollout", "rollout"), ("drills", "drills"), ("delivery", "delivery")], max_length=10)),
                        ("payload", models.JSONField(default=dict)),
                        ("state", models.CharField(choices=[("waiting", "waiting"), ("running", "running"), ("done", "done"), ("dead", "dead")], default=portal.domain.jobs.JobState["WAITING"], max_length=10)),
                        ("attempt", models.PositiveIntegerField(default=0)),
                        ("fence", models.PositiveBigIntegerField(default=0, help_text="Rises with every claim; a write names the one it holds.")),
                        ("run_after", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ("handed_at", models.DateTimeField(blank=True, null=True)),
                        ("handings", models.PositiveIntegerField(default=0)),
                        ("lease_until", models.DateTimeField(blank=True, null=True)),
                        ("worker", models.CharField(blank=True, max_length=120)),
                        ("error", models.TextField(blank=True)),
                        ("request_id", models.CharField(blank=True, max_length=64)),
                        ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ("finished_at", models.DateTimeField(blank=True, null=True)),
                        ("once", models.CharField(blank=True, help_text="At most one unfinished job has this name, if it has any.", max_length=200)),
                    ],
                    options={
                        "ordering": ["-pk"],
                        "indexes": [
                            models.Index(condition=models.Q(("state", "waiting")), fields=["run_after"], name="job_due"),
                            models.Index(condition=models.Q(("state", "running")), fields=["lease_until"], name="job_leased"),
                            models.Index(fields=["state", "-id"], name="job_list"),
                        ],
                        "constraints": [
                            models.CheckConstraint(condition=models.Q(("state__in", ["waiting", "running", "done", "dead"])), name="job_state_is_known"),
                            models.CheckConstraint(condition=models.Q(("queue__in", ["safety", "rollout", "drills", "delivery"])), name="job_queue_is_known"),
                            models.UniqueConstraint(condition=models.Q(("state__in", ["waiting", "running"]), models.Q(("once", ""), _negated=True)), fields=("once",), name="job_is_wanted_once"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Heartbeat",
                    fields=[
                        ("name", models.CharField(max_length=60, primary_key=True, serialize=False)),
                        ("at", models.DateTimeField()),
                        ("pid", models.PositiveIntegerField()),
                        ("host", models.CharField(max_length=120)),
                        ("details", models.JSONField(default=dict)),
                    ],
                    options={
                        "ordering": ["name"],
                    },
                ),
                migrations.CreateModel(
                    name="LedgerEntry",
                    fields=[
                        ("seq", models.BigIntegerField(primary_key=True, serialize=False)),
                        ("uuid", models.UUIDField()),
                        ("at", models.DateTimeField()),
                        ("actor", models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="portal.actor")),
                        ("actor_name", models.CharField(max_length=200)),
                        ("verb", models.CharField(max_length=80)),
                        ("subject_type", models.CharField(max_length=80)),
                        ("subject_id", models.CharField(max_length=200)),
                        ("subject_name", models.CharField(max_length=300)),
                        ("reason", models.TextField()),
                        ("request_id", models.CharField(blank=True, max_length=64)),
                        ("body", models.TextField(help_text="RFC 8785 JSON, exactly as it was hashed.")),
                        ("leaf", models.BinaryField(max_length=32)),
                        ("link", models.BinaryField(max_length=32)),
                    ],
                    options={
                        "verbose_name_plural": "ledger entries",
                        "ordering": ["-seq"],
                        "indexes": [
                            models.Index(fields=["subject_type", "subject_id", "-seq"], name="ledger_subject"),
                            models.Index(fields=["verb", "-seq"], name="ledger_verb"),
                            models.Index(fields=["actor", "-seq"], name="ledger_actor"),
                            models.Index(fields=["request_id"], name="ledger_request"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Notification",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("uuid", models.UUIDField(unique=True)),
                        ("entry", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="portal.ledgerentry")),
                        ("event", models.CharField(max_length=80)),
                        ("severity", models.CharField(choices=[("info", "info"), ("warning", "warning"), ("critical", "critical")], max_length=10)),
                        ("rollout", models.CharField(blank=True, max_length=100)),
                        ("at", models.DateTimeField()),
                        ("body", models.TextField(help_text="RFC 8785 JSON, exactly as it is signed.")),
                        ("waits_for", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=20), blank=True, default=list, help_text="The roles of those who can confirm it.", size=None)),
                    ],
                    options={
                        "ordering": ["-pk"],
                        "constraints": [
                            models.CheckConstraint(condition=models.Q(("severity__in", ["info", "warning", "critical"])), name="notification_severity_is_known"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Delivery",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("notification", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="deliveries", to="portal.notification")),
                        ("endpoint", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="deliveries", to="portal.endpoint")),
                        ("state", models.CharField(choices=[("waiting", "waiting"), ("delivered", "delivered"), ("given_up", "given up"), ("dropped", "dropped")], default=portal.domain.notifications.DeliveryState["WAITING"], max_length=10)),
                        ("attempts", models.PositiveIntegerField(default=0)),
                        ("tries", models.PositiveIntegerField(default=0, help_text="Attempts since it was last asked for.")),
                        ("created_at", models.DateTimeField()),
                        ("next_at", models.DateTimeField(blank=True, null=True)),
                        ("finished_at", models.DateTimeField(blank=True, null=True)),
                        ("status", models.PositiveIntegerField(blank=True, null=True)),
                        ("says", models.CharField(blank=True, max_length=500)),
                    ],
                    options={
                        "verbose_name_plural": "deliveries",
                        "ordering": ["-pk"],
                        "indexes": [
                            models.Index(fields=["endpoint", "-id"], name="delivery_of_endpoint"),
                            models.Index(fields=["state", "-id"], name="delivery_list"),
                            models.Index(condition=models.Q(("state", "waiting")), fields=["endpoint", "next_at"], name="delivery_due"),
                            models.Index(condition=models.Q(("state", "waiting")), fields=["created_at"], name="delivery_waits"),
                        ],
                        "constraints": [
                            models.CheckConstraint(condition=models.Q(("state__in", ["waiting", "delivered", "given_up", "dropped"])), name="delivery_state_is_known"),
                            models.UniqueConstraint(fields=("notification", "endpoint"), name="an_endpoint_is_told_once"),
                            models.CheckConstraint(condition=models.Q(models.Q(("finished_at", None), ("state", "waiting")), models.Q(models.Q(("state", "waiting"), _negated=True), ("finished_at__isnull", False)), _connector="OR"), name="a_delivery_that_waits_is_not_finished"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="DeliveryAttempt",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("delivery", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="log", to="portal.delivery")),
                        ("number", models.PositiveIntegerField()),
                        ("at", models.DateTimeField()),
                        ("took_ms", models.PositiveIntegerField()),
                        ("status", models.PositiveIntegerField(blank=True, null=True)),
                        ("says", models.CharField(blank=True, max_length=500)),
                    ],
                    options={
                        "ordering": ["-pk"],
                        "constraints": [
                            models.UniqueConstraint(fields=("delivery", "number"), name="delivery_attempts_are_numbered"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="SecondFactor",
                    fields=[
                        ("person", models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name="second_factor", serialize=False, to=settings.AUTH_USER_MODEL)),
                        ("encrypted_secret", models.TextField()),
                        ("begun_at", models.DateTimeField()),
                        ("confirmed_at", models.DateTimeField(blank=True, null=True)),
                        ("last_step", models.BigIntegerField(default=0)),
                        ("failures", models.PositiveIntegerField(default=0, help_text="Since the last code.")),
                        ("failed_at", models.DateTimeField(blank=True, null=True)),
                    ],
                ),
                migrations.CreateModel(
                    name="RecoveryCode",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("person", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="recovery_codes", to=settings.AUTH_USER_MODEL)),
                        ("keyed_hash", models.CharField(max_length=64, unique=True)),
                        ("made_at", models.DateTimeField()),
                        ("used_at", models.DateTimeField(blank=True, null=True)),
                    ],
                ),
                migrations.CreateModel(
                    name="HistoricalApiToken",
                    fields=[
                        ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                        ("name", models.CharField(max_length=100)),
                        ("shown", models.CharField(help_text="The part that may be shown.", max_length=16)),
                        ("keyed_hash", models.CharField(db_index=True, max_length=64)),
                        ("rollout", models.CharField(blank=True, help_text="Good for this rollout only.", max_length=100)),
                        ("scopes", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[("decide", "decide"), ("report-runs", "report-runs"), ("read", "read"), ("operate", "operate"), ("kill", "kill")], max_length=20), size=None)),
                        ("created_at", models.DateTimeField()),
                        ("expires_at", models.DateTimeField()),
                        ("revoked_at", models.DateTimeField(blank=True, null=True)),
                        ("owner", models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name="+", to=settings.AUTH_USER_MODEL)),
                        ("replaces", models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name="+", to="portal.apitoken")),
                        ("history_id", models.AutoField(primary_key=True, serialize=False)),
                        ("history_date", models.DateTimeField(db_index=True)),
                        ("history_change_reason", models.TextField(null=True)),
                        ("history_type", models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1)),
                        ("history_user", models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="portal.actor")),
                    ],
                    options={
                        "verbose_name": "historical API token",
                        "verbose_name_plural": "historical API tokens",
                        "ordering": ("-history_date", "-history_id"),
                        "get_latest_by": ("history_date", "history_id"),
                    },
                    bases=(simple_history.models.HistoricalChanges, models.Model),
                ),
                migrations.CreateModel(
                    name="ApiToken",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("name", models.CharField(max_length=100)),
                        ("shown", models.CharField(help_text="The part that may be shown.", max_length=16)),
                        ("keyed_hash", models.CharField(max_length=64, unique=True)),
                        ("owner", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="tokens", to=settings.AUTH_USER_MODEL)),
                        ("rollout", models.CharField(blank=True, help_text="Good for this rollout only.", max_length=100)),
                        ("scopes", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[("decide", "decide"), ("report-runs", "report-runs"), ("read", "read"), ("operate", "operate"), ("kill", "kill")], max_length=20), size=None)),
                        ("created_at", models.DateTimeField()),
                        ("expires_at", models.DateTimeField()),
                        ("revoked_at", models.DateTimeField(blank=True, null=True)),
                        ("last_used_at", models.DateTimeField(blank=True, null=True)),
                        ("replaces", models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="replaced_by", to="portal.apitoken")),
                    ],
                    options={
                        "verbose_name": "API token",
                        "ordering": ["-created_at"],
                    },
                ),
            ],
        ),
    ]
