import django.db.models.deletion
import simple_history.models
from django.conf import settings
from django.db import migrations, models

import rollout.domain.changes
import rollout.domain.exposure


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0002_written_once"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("rollout", "0003_directives_and_watchdog"),
    ]

    operations = [
        migrations.CreateModel(
            name="Change",
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
                ("title", models.CharField(max_length=200)),
                ("reason", models.TextField()),
                (
                    "origin",
                    models.CharField(
                        choices=[
                            ("edit", "edit"),
                            ("import", "import"),
                            ("restore", "restore"),
                        ],
                        default=rollout.domain.changes.Origin["EDIT"],
                        max_length=10,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "open"),
                            ("approved", "approved"),
                            ("scheduled", "scheduled"),
                            ("blocked", "blocked"),
                            ("applied", "applied"),
                            ("rejected", "rejected"),
                            ("cancelled", "cancelled"),
                            ("expired", "expired"),
                        ],
                        default=rollout.domain.changes.ChangeState["OPEN"],
                        max_length=10,
                    ),
                ),
                (
                    "edits",
                    models.JSONField(help_text="Path, before and after of every edit."),
                ),
                (
                    "risks",
                    models.JSONField(help_text="The risk of each edit, by its path."),
                ),
                (
                    "risk",
                    models.PositiveSmallIntegerField(
                        choices=[(0, "safer"), (1, "low"), (2, "high")]
                    ),
                ),
                (
                    "base_digest",
                    models.CharField(
                        help_text="Of the whole configuration that this rests on.",
                        max_length=71,
                    ),
                ),
                (
                    "base_revision",
                    models.PositiveBigIntegerField(
                        help_text="Of the snapshot that was active then."
                    ),
                ),
                (
                    "digest",
                    models.CharField(
                        help_text="Over the edits and the base.", max_length=71
                    ),
                ),
                ("proposed_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("approved_at", models.DateTimeField(blank=True, null=True)),
                ("approved_digest", models.CharField(blank=True, max_length=71)),
                ("scheduled_for", models.DateTimeField(blank=True, null=True)),
                ("blocked_because", models.TextField(blank=True)),
                ("applied_at", models.DateTimeField(blank=True, null=True)),
                (
                    "applier",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="portal.actor",
                    ),
                ),
                (
                    "approver",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="portal.actor",
                    ),
                ),
                (
                    "approver_person",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="portal.actor",
                    ),
                ),
                (
                    "author_person",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="changes",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "rollout",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="changes",
                        to="rollout.rollout",
                    ),
                ),
                (
                    "snapshot",
                    models.ForeignKey(
                        blank=True,
                        help_text="What decided from then on.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="changes",
                        to="rollout.snapshot",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "indexes": [
                    models.Index(
                        fields=["rollout", "state", "-id"], name="change_list"
                    ),
                    models.Index(
                        condition=models.Q(
                            ("state__in", ["open", "approved", "scheduled", "blocked"])
                        ),
                        fields=["expires_at"],
                        name="change_pending",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                [
                                    "open",
                                    "approved",
                                    "scheduled",
                                    "blocked",
                                    "applied",
                                    "rejected",
                                    "cancelled",
                                    "expired",
                                ],
                            )
                        ),
                        name="change_state_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("origin__in", ["edit", "import", "restore"])
                        ),
                        name="change_origin_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("approver_person", None),
                            models.Q(
                                ("author_person__isnull", False),
                                models.Q(
                                    ("approver_person", models.F("author_person")),
                                    _negated=True,
                                ),
                            ),
                            _connector="OR",
                        ),
                        name="change_is_approved_by_another_person",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("approver_person", None),
                            ("approved_digest", models.F("digest")),
                            _connector="OR",
                        ),
                        name="approval_is_of_this_very_change",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "applied"), _negated=True),
                            ("risk", rollout.domain.exposure.Risk["SAFER"]),
                            ("approver_person__isnull", False),
                            _connector="OR",
                        ),
                        name="exposure_is_applied_with_approval",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="HistoricalChange",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        auto_created=True, blank=True, db_index=True, verbose_name="ID"
                    ),
                ),
                ("title", models.CharField(max_length=200)),
                ("reason", models.TextField()),
                (
                    "origin",
                    models.CharField(
                        choices=[
                            ("edit", "edit"),
                            ("import", "import"),
                            ("restore", "restore"),
                        ],
                        default=rollout.domain.changes.Origin["EDIT"],
                        max_length=10,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "open"),
                            ("approved", "approved"),
                            ("scheduled", "scheduled"),
                            ("blocked", "blocked"),
                            ("applied", "applied"),
                            ("rejected", "rejected"),
                            ("cancelled", "cancelled"),
                            ("expired", "expired"),
                        ],
                        default=rollout.domain.changes.ChangeState["OPEN"],
                        max_length=10,
                    ),
                ),
                (
                    "edits",
                    models.JSONField(help_text="Path, before and after of every edit."),
                ),
                (
                    "risks",
                    models.JSONField(help_text="The risk of each edit, by its path."),
                ),
                (
                    "risk",
                    models.PositiveSmallIntegerField(
                        choices=[(0, "safer"), (1, "low"), (2, "high")]
                    ),
                ),
                (
                    "base_digest",
                    models.CharField(
                        help_text="Of the whole configuration that this rests on.",
                        max_length=71,
                    ),
                ),
                (
                    "base_revision",
                    models.PositiveBigIntegerField(
                        help_text="Of the snapshot that was active then."
                    ),
                ),
                (
                    "digest",
                    models.CharField(
                        help_text="Over the edits and the base.", max_length=71
                    ),
                ),
                ("proposed_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("approved_at", models.DateTimeField(blank=True, null=True)),
                ("approved_digest", models.CharField(blank=True, max_length=71)),
                ("scheduled_for", models.DateTimeField(blank=True, null=True)),
                ("blocked_because", models.TextField(blank=True)),
                ("applied_at", models.DateTimeField(blank=True, null=True)),
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
                    "applier",
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
                    "approver",
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
                    "approver_person",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "author",
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
                    "author_person",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
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
                (
                    "snapshot",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        help_text="What decided from then on.",
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="rollout.snapshot",
                    ),
                ),
            ],
            options={
                "verbose_name": "historical change",
                "verbose_name_plural": "historical changes",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="HistoricalSegment",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        auto_created=True, blank=True, db_index=True, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=100)),
                ("description", models.TextField(blank=True)),
                ("conditions", models.JSONField()),
                ("is_live", models.BooleanField(default=True)),
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
                "verbose_name": "historical segment",
                "verbose_name_plural": "historical segments",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="Segment",
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
                ("key", models.CharField(max_length=100)),
                ("description", models.TextField(blank=True)),
                ("conditions", models.JSONField()),
                ("is_live", models.BooleanField(default=True)),
                (
                    "rollout",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="segments",
                        to="rollout.rollout",
                    ),
                ),
            ],
            options={
                "ordering": ["rollout", "key"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("rollout", "key"),
                        name="segment_key_is_unique_in_its_rollout",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ChangeComment",
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
                ("text", models.TextField()),
                ("at", models.DateTimeField()),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="portal.actor",
                    ),
                ),
                (
                    "change",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="comments",
                        to="rollout.change",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.AddField(
            model_name="flag",
            name="expires_on",
            field=models.DateField(
                blank=True, help_text="When it should have been taken out.", null=True
            ),
        ),
        migrations.AddField(
            model_name="flag",
            name="is_live",
            field=models.BooleanField(default=True),
        ),
        migrations.AddField(
            model_name="flag",
            name="owner",
            field=models.CharField(
                blank=True, help_text="Who answers for this flag.", max_length=100
            ),
        ),
        migrations.AddField(
            model_name="flag",
            name="prerequisites",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text="Other flags, and the values with which this one's rules count.",
            ),
        ),
        migrations.AddField(
            model_name="historicalflag",
            name="expires_on",
            field=models.DateField(
                blank=True, help_text="When it should have been taken out.", null=True
            ),
        ),
        migrations.AddField(
            model_name="historicalflag",
            name="is_live",
            field=models.BooleanField(default=True),
        ),
        migrations.AddField(
            model_name="historicalflag",
            name="owner",
            field=models.CharField(
                blank=True, help_text="Who answers for this flag.", max_length=100
            ),
        ),
        migrations.AddField(
            model_name="historicalflag",
            name="prerequisites",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text="Other flags, and the values with which this one's rules count.",
            ),
        ),
        migrations.AddField(
            model_name="historicalrule",
            name="variants",
            field=models.JSONField(
                blank=True, default=list, help_text="Weighted values, instead of one."
            ),
        ),
        migrations.AddField(
            model_name="rule",
            name="variants",
            field=models.JSONField(
                blank=True, default=list, help_text="Weighted values, instead of one."
            ),
        ),
    ]
