import django.db.models.deletion
import simple_history.models
from django.db import migrations, models

import rollout.domain.runs
import rollout.domain.stages
import rollout.domain.switch
import rollout.models.artifacts
import rollout.models.rollouts
import rollout.models.runs


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("portal", "0002_written_once"),
    ]

    operations = [
        migrations.CreateModel(
            name="HistoricalRollout",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        auto_created=True, blank=True, db_index=True, verbose_name="ID"
                    ),
                ),
                ("key", models.SlugField(max_length=100)),
                ("name", models.CharField(max_length=200)),
                ("description", models.TextField(blank=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[("live", "live"), ("drill", "drill")],
                        default=rollout.models.rollouts.RolloutKind["LIVE"],
                        max_length=10,
                    ),
                ),
                (
                    "fallback_workflow",
                    models.CharField(default="standard", max_length=50),
                ),
                (
                    "salt",
                    models.CharField(
                        help_text="Fixed at creation, so that the cohort never changes by itself.",
                        max_length=64,
                    ),
                ),
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
            ],
            options={
                "verbose_name": "historical rollout",
                "verbose_name_plural": "historical rollouts",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="Rollout",
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
                ("key", models.SlugField(max_length=100, unique=True)),
                ("name", models.CharField(max_length=200)),
                ("description", models.TextField(blank=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[("live", "live"), ("drill", "drill")],
                        default=rollout.models.rollouts.RolloutKind["LIVE"],
                        max_length=10,
                    ),
                ),
                (
                    "fallback_workflow",
                    models.CharField(default="standard", max_length=50),
                ),
                (
                    "salt",
                    models.CharField(
                        help_text="Fixed at creation, so that the cohort never changes by itself.",
                        max_length=64,
                    ),
                ),
            ],
            options={
                "ordering": ["key"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["live", "drill"])),
                        name="rollout_kind_is_known",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Flag",
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
                (
                    "type",
                    models.CharField(
                        choices=[
                            ("bool", "bool"),
                            ("integer", "integer"),
                            ("enum", "enum"),
                            ("string", "string"),
                            ("path", "path"),
                        ],
                        max_length=10,
                    ),
                ),
                ("description", models.TextField(blank=True)),
                ("default", models.JSONField(blank=True, null=True)),
                ("minimum", models.BigIntegerField(blank=True, null=True)),
                ("maximum", models.BigIntegerField(blank=True, null=True)),
                (
                    "options",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text="The values that an enum flag can have.",
                    ),
                ),
                ("is_nullable", models.BooleanField(default=False)),
                ("position", models.PositiveSmallIntegerField(default=0)),
                (
                    "rollout",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="flags",
                        to="rollout.rollout",
                    ),
                ),
            ],
            options={
                "ordering": ["rollout", "position", "key"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("type__in", ["bool", "integer", "enum", "string", "path"])
                        ),
                        name="flag_type_is_known",
                    ),
                    models.UniqueConstraint(
                        fields=("rollout", "key"),
                        name="flag_key_is_unique_in_its_rollout",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("minimum", None),
                            ("maximum", None),
                            ("minimum__lte", models.F("maximum")),
                            _connector="OR",
                        ),
                        name="flag_clamp_is_a_range",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="HistoricalSwitch",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        auto_created=True, blank=True, db_index=True, verbose_name="ID"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("released", "released"), ("engaged", "engaged")],
                        default=rollout.domain.switch.SwitchState["RELEASED"],
                        max_length=10,
                    ),
                ),
                ("epoch", models.PositiveBigIntegerField(default=1)),
                ("changed_at", models.DateTimeField()),
                ("reason", models.TextField()),
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
                    "changed_by",
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
                "verbose_name": "historical switch",
                "verbose_name_plural": "historical switches",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="HistoricalStage",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        auto_created=True, blank=True, db_index=True, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveSmallIntegerField()),
                ("key", models.SlugField(max_length=60)),
                ("name", models.CharField(max_length=200)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "draft"),
                            ("ready", "ready"),
                            ("running", "running"),
                            ("holding", "holding"),
                            ("promotable", "promotable"),
                            ("promoted", "promoted"),
                            ("rolled_back", "rolled back"),
                            ("disabled", "disabled"),
                        ],
                        default=rollout.domain.stages.StageState["DRAFT"],
                        max_length=15,
                    ),
                ),
                (
                    "is_admitting",
                    models.BooleanField(
                        default=True,
                        help_text="A hold can stop admission too: STAGE_PAUSED.",
                    ),
                ),
                (
                    "coverage",
                    models.DecimalField(
                        decimal_places=2,
                        default=100,
                        help_text="Percent of the units.",
                        max_digits=5,
                    ),
                ),
                (
                    "plan",
                    models.JSONField(
                        help_text="The stage's plan, see rollout/domain/stages.py."
                    ),
                ),
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
                "verbose_name": "historical stage",
                "verbose_name_plural": "historical stages",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="HistoricalFlag",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        auto_created=True, blank=True, db_index=True, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=100)),
                (
                    "type",
                    models.CharField(
                        choices=[
                            ("bool", "bool"),
                            ("integer", "integer"),
                            ("enum", "enum"),
                            ("string", "string"),
                            ("path", "path"),
                        ],
                        max_length=10,
                    ),
                ),
                ("description", models.TextField(blank=True)),
                ("default", models.JSONField(blank=True, null=True)),
                ("minimum", models.BigIntegerField(blank=True, null=True)),
                ("maximum", models.BigIntegerField(blank=True, null=True)),
                (
                    "options",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text="The values that an enum flag can have.",
                    ),
                ),
                ("is_nullable", models.BooleanField(default=False)),
                ("position", models.PositiveSmallIntegerField(default=0)),
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
                "verbose_name": "historical flag",
                "verbose_name_plural": "historical flags",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="Snapshot",
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
                ("revision", models.PositiveBigIntegerField()),
                ("epoch", models.PositiveBigIntegerField(help_text="Of the switch.")),
                ("digest", models.CharField(max_length=71)),
                (
                    "body",
                    models.TextField(
                        help_text="RFC 8785 JSON, exactly as it was hashed."
                    ),
                ),
                ("reason", models.TextField()),
                ("created_at", models.DateTimeField()),
                (
                    "created_by",
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
                        related_name="snapshots",
                        to="rollout.rollout",
                    ),
                ),
            ],
            options={
                "ordering": ["rollout", "-revision"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("rollout", "revision"),
                        name="snapshot_revision_is_unique_in_its_rollout",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Stage",
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
                ("position", models.PositiveSmallIntegerField()),
                ("key", models.SlugField(max_length=60)),
                ("name", models.CharField(max_length=200)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "draft"),
                            ("ready", "ready"),
                            ("running", "running"),
                            ("holding", "holding"),
                            ("promotable", "promotable"),
                            ("promoted", "promoted"),
                            ("rolled_back", "rolled back"),
                            ("disabled", "disabled"),
                        ],
                        default=rollout.domain.stages.StageState["DRAFT"],
                        max_length=15,
                    ),
                ),
                (
                    "is_admitting",
                    models.BooleanField(
                        default=True,
                        help_text="A hold can stop admission too: STAGE_PAUSED.",
                    ),
                ),
                (
                    "coverage",
                    models.DecimalField(
                        decimal_places=2,
                        default=100,
                        help_text="Percent of the units.",
                        max_digits=5,
                    ),
                ),
                (
                    "plan",
                    models.JSONField(
                        help_text="The stage's plan, see rollout/domain/stages.py."
                    ),
                ),
                (
                    "rollout",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="stages",
                        to="rollout.rollout",
                    ),
                ),
            ],
            options={
                "ordering": ["rollout", "position"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                [
                                    "draft",
                                    "ready",
                                    "running",
                                    "holding",
                                    "promotable",
                                    "promoted",
                                    "rolled_back",
                                    "disabled",
                                ],
                            )
                        ),
                        name="stage_state_is_known",
                    ),
                    models.UniqueConstraint(
                        fields=("rollout", "position"),
                        name="stage_position_is_unique_in_its_rollout",
                    ),
                    models.UniqueConstraint(
                        fields=("rollout", "key"),
                        name="stage_key_is_unique_in_its_rollout",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(
                            ("state__in", ["running", "holding", "promotable"])
                        ),
                        fields=("rollout",),
                        name="one_stage_of_a_rollout_is_open",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("coverage__gte", 0), ("coverage__lte", 100)
                        ),
                        name="coverage_is_a_percentage",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Switch",
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
                    "state",
                    models.CharField(
                        choices=[("released", "released"), ("engaged", "engaged")],
                        default=rollout.domain.switch.SwitchState["RELEASED"],
                        max_length=10,
                    ),
                ),
                ("epoch", models.PositiveBigIntegerField(default=1)),
                ("changed_at", models.DateTimeField()),
                ("reason", models.TextField()),
                (
                    "changed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="portal.actor",
                    ),
                ),
                (
                    "rollout",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="switch",
                        to="rollout.rollout",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "switches",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["released", "engaged"])),
                        name="switch_state_is_known",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Attempt",
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
                ("number", models.PositiveIntegerField()),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "fingerprint",
                    models.CharField(
                        help_text="Of the configuration that it started with.",
                        max_length=71,
                    ),
                ),
                (
                    "stage",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="attempts",
                        to="rollout.stage",
                    ),
                ),
            ],
            options={
                "ordering": ["stage", "-number"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("stage", "number"),
                        name="attempt_number_is_unique_in_its_stage",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at", None)),
                        fields=("stage",),
                        name="one_attempt_of_a_stage_is_open",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="HistoricalRule",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        auto_created=True, blank=True, db_index=True, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveSmallIntegerField()),
                ("description", models.CharField(blank=True, max_length=200)),
                ("conditions", models.JSONField(blank=True, default=list)),
                (
                    "percentage",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        help_text="Sticky share of the units that match; empty means all of them.",
                        max_digits=5,
                        null=True,
                    ),
                ),
                ("value", models.JSONField(blank=True, null=True)),
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
                    "flag",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="rollout.flag",
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
            ],
            options={
                "verbose_name": "historical rule",
                "verbose_name_plural": "historical rules",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="Rule",
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
                ("position", models.PositiveSmallIntegerField()),
                ("description", models.CharField(blank=True, max_length=200)),
                ("conditions", models.JSONField(blank=True, default=list)),
                (
                    "percentage",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        help_text="Sticky share of the units that match; empty means all of them.",
                        max_digits=5,
                        null=True,
                    ),
                ),
                ("value", models.JSONField(blank=True, null=True)),
                ("is_live", models.BooleanField(default=True)),
                (
                    "flag",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rules",
                        to="rollout.flag",
                    ),
                ),
            ],
            options={
                "ordering": ["flag", "position"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("is_live", True)),
                        fields=("flag", "position"),
                        name="rule_position_is_unique_in_its_flag",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("percentage", None),
                            models.Q(("percentage__gte", 0), ("percentage__lte", 100)),
                            _connector="OR",
                        ),
                        name="rule_percentage_is_one",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="HistoricalAttempt",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        auto_created=True, blank=True, db_index=True, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "fingerprint",
                    models.CharField(
                        help_text="Of the configuration that it started with.",
                        max_length=71,
                    ),
                ),
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
                    "stage",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="rollout.stage",
                    ),
                ),
            ],
            options={
                "verbose_name": "historical attempt",
                "verbose_name_plural": "historical attempts",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="Decision",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("run_id", models.CharField(max_length=200)),
                (
                    "unit",
                    models.CharField(
                        help_text="targetingKey: what sticks.", max_length=500
                    ),
                ),
                ("is_override", models.BooleanField(default=False)),
                ("workflow", models.CharField(max_length=50)),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("KILL_SWITCH", "KILL SWITCH"),
                            ("RUN_FINAL", "RUN FINAL"),
                            ("NOT_STARTED", "NOT STARTED"),
                            ("NOT_ADMITTED", "NOT ADMITTED"),
                            ("STAGE_PAUSED", "STAGE PAUSED"),
                            ("OUT_OF_COVERAGE", "OUT OF COVERAGE"),
                            ("ADMITTED", "ADMITTED"),
                        ],
                        max_length=30,
                    ),
                ),
                ("stage_key", models.CharField(blank=True, max_length=60)),
                (
                    "context",
                    models.JSONField(
                        help_text="What the decision was made from, all of it."
                    ),
                ),
                (
                    "inputs_digest",
                    models.CharField(help_text="Over what was asked.", max_length=71),
                ),
                ("flags", models.JSONField()),
                ("constraints", models.JSONField(default=dict)),
                ("bucket", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "is_first_seen",
                    models.BooleanField(
                        default=False,
                        help_text="The first decision for this unit (targetingKey).",
                    ),
                ),
                ("decided_at", models.DateTimeField()),
                (
                    "attempt",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="decisions",
                        to="rollout.attempt",
                    ),
                ),
                (
                    "decided_by",
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
                        related_name="decisions",
                        to="rollout.rollout",
                    ),
                ),
                (
                    "snapshot",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="decisions",
                        to="rollout.snapshot",
                    ),
                ),
            ],
            options={
                "ordering": ["-decided_at", "-id"],
                "indexes": [
                    models.Index(
                        fields=["rollout", "run_id", "decided_at"], name="decision_run"
                    ),
                    models.Index(fields=["-decided_at", "-id"], name="decision_list"),
                    models.Index(fields=["rollout", "unit"], name="decision_unit"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "reason__in",
                                [
                                    "KILL_SWITCH",
                                    "RUN_FINAL",
                                    "NOT_STARTED",
                                    "NOT_ADMITTED",
                                    "STAGE_PAUSED",
                                    "OUT_OF_COVERAGE",
                                    "ADMITTED",
                                ],
                            )
                        ),
                        name="decision_reason_is_known",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("is_override", False)),
                        fields=("rollout", "run_id"),
                        name="a_run_has_one_lasting_decision",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("is_override", True)),
                        fields=("rollout", "run_id", "snapshot", "reason"),
                        name="an_override_is_recorded_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="HistoricalRun",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        auto_created=True, blank=True, db_index=True, verbose_name="ID"
                    ),
                ),
                ("run_id", models.CharField(max_length=200)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("live", "live"),
                            ("drill", "drill"),
                            ("imported", "imported"),
                        ],
                        default=rollout.domain.runs.RunKind["LIVE"],
                        max_length=10,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("created", "created"),
                            ("running", "running"),
                            ("paused", "paused"),
                            ("failed", "failed"),
                            ("completed", "completed"),
                            ("cancelled", "cancelled"),
                        ],
                        default=rollout.domain.runs.RunStatus["CREATED"],
                        max_length=10,
                    ),
                ),
                (
                    "reported_status",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("created", "created"),
                            ("running", "running"),
                            ("paused", "paused"),
                            ("failed", "failed"),
                            ("completed", "completed"),
                            ("cancelled", "cancelled"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "cause",
                    models.CharField(
                        blank=True,
                        help_text="Why the portal ended it, if it did.",
                        max_length=60,
                    ),
                ),
                (
                    "stage",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("init", "init"),
                            ("perspectives", "perspectives"),
                            ("wave1", "wave1"),
                            ("pivot", "pivot"),
                            ("wave2", "wave2"),
                            ("citations", "citations"),
                            ("summaries", "summaries"),
                            ("synthesis", "synthesis"),
                            ("review", "review"),
                            ("finalize", "finalize"),
                        ],
                        max_length=15,
                    ),
                ),
                ("mode", models.CharField(blank=True, max_length=20)),
                (
                    "is_admitted",
                    models.BooleanField(
                        default=False,
                        help_text="It was told option_c before it reported.",
                    ),
                ),
                (
                    "start_order",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Its place among the runs of its attempt.",
                        null=True,
                    ),
                ),
                ("fingerprint", models.CharField(blank=True, max_length=71)),
                ("no_web", models.BooleanField(default=False)),
                ("system_version", models.CharField(default="unknown", max_length=100)),
                ("manifest_revision", models.PositiveBigIntegerField(default=0)),
                ("manifest_digest", models.CharField(blank=True, max_length=71)),
                ("gates_revision", models.PositiveBigIntegerField(default=0)),
                ("gates_digest", models.CharField(blank=True, max_length=71)),
                ("last_seq", models.PositiveBigIntegerField(default=0)),
                (
                    "gates",
                    models.JSONField(
                        default=dict,
                        help_text="Per gate: status, retries, drift, when its failure was confirmed.",
                    ),
                ),
                ("created_at", models.DateTimeField()),
                (
                    "reported_at",
                    models.DateTimeField(
                        blank=True, help_text="When something last arrived.", null=True
                    ),
                ),
                (
                    "stage_since",
                    models.DateTimeField(
                        blank=True,
                        help_text="Receipt of what changed stage or progress.",
                        null=True,
                    ),
                ),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
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
                    "attempt",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="rollout.attempt",
                    ),
                ),
                (
                    "decision",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="rollout.decision",
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
                "verbose_name": "historical run",
                "verbose_name_plural": "historical runs",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="Run",
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
                ("run_id", models.CharField(max_length=200)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("live", "live"),
                            ("drill", "drill"),
                            ("imported", "imported"),
                        ],
                        default=rollout.domain.runs.RunKind["LIVE"],
                        max_length=10,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("created", "created"),
                            ("running", "running"),
                            ("paused", "paused"),
                            ("failed", "failed"),
                            ("completed", "completed"),
                            ("cancelled", "cancelled"),
                        ],
                        default=rollout.domain.runs.RunStatus["CREATED"],
                        max_length=10,
                    ),
                ),
                (
                    "reported_status",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("created", "created"),
                            ("running", "running"),
                            ("paused", "paused"),
                            ("failed", "failed"),
                            ("completed", "completed"),
                            ("cancelled", "cancelled"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "cause",
                    models.CharField(
                        blank=True,
                        help_text="Why the portal ended it, if it did.",
                        max_length=60,
                    ),
                ),
                (
                    "stage",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("init", "init"),
                            ("perspectives", "perspectives"),
                            ("wave1", "wave1"),
                            ("pivot", "pivot"),
                            ("wave2", "wave2"),
                            ("citations", "citations"),
                            ("summaries", "summaries"),
                            ("synthesis", "synthesis"),
                            ("review", "review"),
                            ("finalize", "finalize"),
                        ],
                        max_length=15,
                    ),
                ),
                ("mode", models.CharField(blank=True, max_length=20)),
                (
                    "is_admitted",
                    models.BooleanField(
                        default=False,
                        help_text="It was told option_c before it reported.",
                    ),
                ),
                (
                    "start_order",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Its place among the runs of its attempt.",
                        null=True,
                    ),
                ),
                ("fingerprint", models.CharField(blank=True, max_length=71)),
                ("no_web", models.BooleanField(default=False)),
                ("system_version", models.CharField(default="unknown", max_length=100)),
                ("manifest_revision", models.PositiveBigIntegerField(default=0)),
                ("manifest_digest", models.CharField(blank=True, max_length=71)),
                ("gates_revision", models.PositiveBigIntegerField(default=0)),
                ("gates_digest", models.CharField(blank=True, max_length=71)),
                ("last_seq", models.PositiveBigIntegerField(default=0)),
                (
                    "gates",
                    models.JSONField(
                        default=dict,
                        help_text="Per gate: status, retries, drift, when its failure was confirmed.",
                    ),
                ),
                ("created_at", models.DateTimeField()),
                (
                    "reported_at",
                    models.DateTimeField(
                        blank=True, help_text="When something last arrived.", null=True
                    ),
                ),
                (
                    "stage_since",
                    models.DateTimeField(
                        blank=True,
                        help_text="Receipt of what changed stage or progress.",
                        null=True,
                    ),
                ),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "attempt",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="runs",
                        to="rollout.attempt",
                    ),
                ),
                (
                    "decision",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="rollout.decision",
                    ),
                ),
                (
                    "rollout",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="runs",
                        to="rollout.rollout",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "indexes": [
                    models.Index(
                        fields=["rollout", "status", "-id"], name="run_by_status"
                    ),
                    models.Index(
                        condition=models.Q(("finished_at", None)),
                        fields=["stage_since"],
                        name="run_open",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["live", "drill", "imported"])),
                        name="run_kind_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "status__in",
                                [
                                    "created",
                                    "running",
                                    "paused",
                                    "failed",
                                    "completed",
                                    "cancelled",
                                ],
                            )
                        ),
                        name="run_status_is_known",
                    ),
                    models.UniqueConstraint(
                        fields=("rollout", "run_id"),
                        name="run_id_is_unique_in_its_rollout",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("attempt__isnull", False)),
                        fields=("attempt", "start_order"),
                        name="start_order_is_unique_in_its_attempt",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("status__in", ["failed", "completed", "cancelled"]),
                            ("finished_at", None),
                            _connector="XOR",
                        ),
                        name="a_final_run_has_an_end",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Artifact",
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
                ("path", models.CharField(max_length=500)),
                ("version", models.PositiveIntegerField()),
                ("digest", models.CharField(max_length=71)),
                ("size", models.PositiveBigIntegerField(help_text="In bytes.")),
                (
                    "origin",
                    models.CharField(
                        choices=[("run", "run"), ("portal", "portal")],
                        default=rollout.models.artifacts.Origin["RUN"],
                        max_length=10,
                    ),
                ),
                ("received_at", models.DateTimeField()),
                (
                    "received_from",
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
                        related_name="artifacts",
                        to="rollout.run",
                    ),
                ),
            ],
            options={
                "ordering": ["run", "path", "-version"],
                "indexes": [models.Index(fields=["digest"], name="artifact_digest")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("origin__in", ["run", "portal"])),
                        name="artifact_origin_is_known",
                    ),
                    models.UniqueConstraint(
                        fields=("run", "path", "version"),
                        name="artifact_version_is_unique_in_its_path",
                    ),
                    models.UniqueConstraint(
                        fields=("run", "path", "digest"),
                        name="artifact_content_is_unique_in_its_path",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Advance",
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
                    "from_stage",
                    models.CharField(
                        choices=[
                            ("init", "init"),
                            ("perspectives", "perspectives"),
                            ("wave1", "wave1"),
                            ("pivot", "pivot"),
                            ("wave2", "wave2"),
                            ("citations", "citations"),
                            ("summaries", "summaries"),
                            ("synthesis", "synthesis"),
                            ("review", "review"),
                            ("finalize", "finalize"),
                        ],
                        max_length=15,
                    ),
                ),
                (
                    "to_stage",
                    models.CharField(
                        choices=[
                            ("init", "init"),
                            ("perspectives", "perspectives"),
                            ("wave1", "wave1"),
                            ("pivot", "pivot"),
                            ("wave2", "wave2"),
                            ("citations", "citations"),
                            ("summaries", "summaries"),
                            ("synthesis", "synthesis"),
                            ("review", "review"),
                            ("finalize", "finalize"),
                        ],
                        max_length=15,
                    ),
                ),
                ("is_allowed", models.BooleanField()),
                ("code", models.CharField(blank=True, max_length=40)),
                ("preconditions", models.JSONField(default=list)),
                ("asked_at", models.DateTimeField()),
                (
                    "asked_by",
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
                        related_name="advances",
                        to="rollout.run",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="RunDocument",
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
                    "kind",
                    models.CharField(
                        choices=[("manifest", "manifest"), ("gates", "gates")],
                        max_length=10,
                    ),
                ),
                ("revision", models.PositiveBigIntegerField()),
                (
                    "standing",
                    models.CharField(
                        choices=[("accepted", "accepted"), ("kept", "kept")],
                        default=rollout.models.runs.Standing["ACCEPTED"],
                        max_length=10,
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=200)),
                ("raw", models.BinaryField()),
                ("digest", models.CharField(max_length=71)),
                ("content", models.JSONField()),
                ("received_at", models.DateTimeField()),
                (
                    "received_from",
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
                        related_name="documents",
                        to="rollout.run",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "indexes": [
                    models.Index(fields=["run", "kind", "-id"], name="document_latest")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["manifest", "gates"])),
                        name="document_kind_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("standing__in", ["accepted", "kept"])),
                        name="document_standing_is_known",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("standing", "accepted")),
                        fields=("run", "kind", "revision"),
                        name="a_revision_is_accepted_once",
                    ),
                    models.UniqueConstraint(
                        fields=("run", "kind", "revision", "digest"),
                        name="a_document_is_kept_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RunEvent",
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
                ("seq", models.PositiveBigIntegerField()),
                ("at", models.DateTimeField(help_text="As the run says.")),
                ("event_type", models.CharField(max_length=40)),
                ("content", models.JSONField()),
                ("digest", models.CharField(max_length=71)),
                ("received_at", models.DateTimeField()),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="rollout.run",
                    ),
                ),
            ],
            options={
                "ordering": ["run", "seq"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("run", "seq"), name="event_seq_is_unique_in_its_run"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="FallbackOffer",
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
                ("gate_id", models.CharField(max_length=1)),
                ("gate_name", models.CharField(max_length=100)),
                ("reason", models.TextField(help_text="Sanitised.")),
                ("instruction", models.CharField(max_length=200)),
                (
                    "failure",
                    models.JSONField(
                        help_text="The failure entry, in the contract's form."
                    ),
                ),
                (
                    "is_adopted",
                    models.BooleanField(
                        default=False,
                        help_text="The research system made it, not the portal.",
                    ),
                ),
                ("offered_at", models.DateTimeField()),
                (
                    "offered_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="portal.actor",
                    ),
                ),
                (
                    "summary",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="rollout.artifact",
                    ),
                ),
                (
                    "run",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="fallback_offer",
                        to="rollout.run",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
    ]
