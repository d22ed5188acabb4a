import django.db.models.deletion
import simple_history.models
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0002_written_once"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("rollout", "0006_edge_clients_and_flag_use"),
    ]

    operations = [
        migrations.CreateModel(
            name="Evaluation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "number",
                    models.PositiveIntegerField(
                        help_text="Within its attempt and mode."
                    ),
                ),
                (
                    "mode",
                    models.CharField(
                        choices=[
                            ("live", "live"),
                            ("shadow", "shadow"),
                            ("retrospective", "retrospective"),
                        ],
                        max_length=15,
                    ),
                ),
                (
                    "verdict",
                    models.CharField(
                        choices=[
                            ("roll_back", "roll back"),
                            ("hold", "hold"),
                            ("inconclusive", "inconclusive"),
                            ("await_approval", "await approval"),
                            ("promote", "promote"),
                            ("collect", "collect"),
                        ],
                        max_length=20,
                    ),
                ),
                ("sentence", models.TextField()),
                ("rule", models.CharField(max_length=40)),
                ("fingerprint", models.CharField(max_length=71)),
                (
                    "judged_runs",
                    models.PositiveIntegerField(help_text="The prefix that is judged."),
                ),
                (
                    "ratio_upto",
                    models.UUIDField(
                        blank=True,
                        help_text="The last decision in the sample ratio.",
                        null=True,
                    ),
                ),
                (
                    "body",
                    models.TextField(
                        help_text="RFC 8785 JSON, exactly as it was hashed."
                    ),
                ),
                ("digest", models.CharField(max_length=71)),
                ("evaluated_at", models.DateTimeField()),
                (
                    "attempt",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="evaluations",
                        to="rollout.attempt",
                    ),
                ),
                (
                    "evaluated_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="portal.actor",
                    ),
                ),
                (
                    "stage",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="evaluations",
                        to="rollout.stage",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "indexes": [
                    models.Index(fields=["stage", "-id"], name="evaluation_of_stage")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("mode__in", ["live", "shadow", "retrospective"])
                        ),
                        name="evaluation_mode_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "verdict__in",
                                [
                                    "roll_back",
                                    "hold",
                                    "inconclusive",
                                    "await_approval",
                                    "promote",
                                    "collect",
                                ],
                            )
                        ),
                        name="evaluation_verdict_is_known",
                    ),
                    models.UniqueConstraint(
                        fields=("attempt", "mode", "number"),
                        name="evaluation_number_is_unique_in_its_attempt",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="FailureReview",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("gate", models.CharField(max_length=1)),
                ("note", models.TextField()),
                ("reviewed_at", models.DateTimeField()),
                (
                    "reviewer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="portal.actor",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reviews",
                        to="rollout.run",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("run", "gate"), name="a_failure_is_reviewed_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Freeze",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "scope",
                    models.CharField(
                        choices=[("expansion", "expansion"), ("changes", "changes")],
                        max_length=15,
                    ),
                ),
                ("reason", models.TextField()),
                ("begun_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("lifted_at", models.DateTimeField(blank=True, null=True)),
                (
                    "lifted_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="portal.actor",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="portal.actor",
                    ),
                ),
                (
                    "rollout",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="freezes",
                        to="rollout.rollout",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("lifted_at", None)),
                        fields=["rollout", "expires_at"],
                        name="freeze_on",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("scope__in", ["expansion", "changes"])),
                        name="freeze_scope_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("expires_at__gt", models.F("begun_at"))),
                        name="a_freeze_ends_after_it_began",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("lifted_at", None), ("lifted_by", None)),
                            models.Q(
                                ("lifted_at__isnull", False),
                                ("lifted_by__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="a_lifted_freeze_names_somebody",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="HistoricalFreeze",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        auto_created=True, blank=True, db_index=True, verbose_name="ID"
                    ),
                ),
                (
                    "scope",
                    models.CharField(
                        choices=[("expansion", "expansion"), ("changes", "changes")],
                        max_length=15,
                    ),
                ),
                ("reason", models.TextField()),
                ("begun_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("lifted_at", models.DateTimeField(blank=True, null=True)),
                ("history_id", models.AutoField(primary_key=True, serialize=False)),
                ("history_date", models.DateTimeField(db_index=True)),
                ("history_change_reason", models.TextField(null=True)),
                (
                    "history_type",
                    models.CharField(
                        choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")],
                        max_length=1,
                    ),
                ),
                (
                    "history_user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="portal.actor",
                    ),
                ),
                (
                    "lifted_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="portal.actor",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="portal.actor",
                    ),
                ),
                (
                    "rollout",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="rollout.rollout",
                    ),
                ),
            ],
            options={
                "verbose_name": "historical freeze",
                "verbose_name_plural": "historical freezes",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="OnCall",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("confirmed_at", models.DateTimeField()),
                ("until", models.DateTimeField()),
                (
                    "confirmed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="portal.actor",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "rollout",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="on_call",
                        to="rollout.rollout",
                    ),
                ),
            ],
            options={
                "verbose_name": "on-call confirmation",
                "ordering": ["-pk"],
                "indexes": [
                    models.Index(fields=["rollout", "-until"], name="on_call_now")
                ],
            },
        ),
        migrations.CreateModel(
            name="Rollback",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "trigger",
                    models.CharField(
                        help_text="Who or what asked for it.", max_length=100
                    ),
                ),
                ("reason", models.TextField()),
                ("affected_runs", models.PositiveIntegerField()),
                (
                    "inventory",
                    models.BinaryField(
                        help_text="What the affected runs had then: gzip of canonical JSON."
                    ),
                ),
                ("inventory_digest", models.CharField(max_length=71)),
                ("rolled_back_at", models.DateTimeField()),
                (
                    "attempt",
                    models.OneToOneField(
                        help_text="It ended here.",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rollback",
                        to="rollout.attempt",
                    ),
                ),
                (
                    "evaluation",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="rollout.evaluation",
                    ),
                ),
                (
                    "rolled_back_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="portal.actor",
                    ),
                ),
                (
                    "rollout",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rollbacks",
                        to="rollout.rollout",
                    ),
                ),
                (
                    "snapshot",
                    models.ForeignKey(
                        help_text="What decided afterwards.",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="rollout.snapshot",
                    ),
                ),
                (
                    "stage",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rollbacks",
                        to="rollout.stage",
                    ),
                ),
                (
                    "to_stage",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="rollout.stage",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("to_stage", None),
                            models.Q(("to_stage", models.F("stage")), _negated=True),
                            _connector="OR",
                        ),
                        name="a_rollback_leads_elsewhere",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Reconciliation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("is_clean", models.BooleanField()),
                (
                    "counts",
                    models.JSONField(
                        help_text="Per kind: how many before, and found after."
                    ),
                ),
                (
                    "missing",
                    models.JSONField(help_text="What is missing or altered, by name."),
                ),
                (
                    "report",
                    models.TextField(
                        help_text="RFC 8785 JSON, exactly as it was hashed."
                    ),
                ),
                ("digest", models.CharField(max_length=71)),
                ("reconciled_at", models.DateTimeField()),
                (
                    "rollback",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reconciliation",
                        to="rollout.rollback",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("attempt__isnull", False)),
                fields=["fingerprint", "attempt", "start_order"],
                name="run_evidence",
            ),
        ),
    ]
