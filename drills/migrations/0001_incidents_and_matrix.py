import django.db.models.deletion
import simple_history.models
from django.conf import settings
from django.db import migrations, models

import drills.domain.incidents
import drills.domain.tasks


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("portal", "0002_written_once"),
        ("rollout", "0010_triggers_are_guarded"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="HistoricalMatrixRow",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        auto_created=True, blank=True, db_index=True, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(db_index=True, max_length=60)),
                ("version", models.PositiveIntegerField(default=0)),
                ("is_live", models.BooleanField(default=False)),
                ("symptom", models.TextField()),
                (
                    "severity",
                    models.PositiveSmallIntegerField(
                        choices=[(1, "1"), (2, "2"), (3, "3"), (4, "4")]
                    ),
                ),
                (
                    "matches",
                    models.JSONField(help_text="The signs by which it is recognised."),
                ),
                (
                    "diagnosis",
                    models.JSONField(
                        help_text="Steps; each incident gets them to tick."
                    ),
                ),
                (
                    "rollback_trigger",
                    models.TextField(help_text="What goes back by itself."),
                ),
                ("fallback_action", models.TextField(help_text="What people do.")),
                (
                    "artifacts",
                    models.JSONField(help_text="Files of a run that tell more."),
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
                "verbose_name": "historical matrix row",
                "verbose_name_plural": "historical matrix rows",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="Incident",
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
                        choices=[
                            ("real", "real"),
                            ("drill", "drill"),
                            ("test", "test"),
                        ],
                        max_length=5,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "open"),
                            ("acknowledged", "acknowledged"),
                            ("mitigated", "mitigated"),
                            ("resolved", "resolved"),
                            ("reviewed", "reviewed"),
                            ("closed", "closed"),
                            ("cancelled", "cancelled"),
                        ],
                        default=drills.domain.incidents.State["OPEN"],
                        max_length=15,
                    ),
                ),
                ("is_over", models.BooleanField(default=False, editable=False)),
                (
                    "severity",
                    models.PositiveSmallIntegerField(
                        choices=[(1, "1"), (2, "2"), (3, "3"), (4, "4")]
                    ),
                ),
                ("title", models.CharField(max_length=200)),
                ("says", models.TextField()),
                ("cause", models.CharField(max_length=60)),
                ("gate", models.CharField(blank=True, max_length=1)),
                (
                    "configuration",
                    models.CharField(
                        blank=True,
                        help_text="The fingerprint under which it happened.",
                        max_length=71,
                    ),
                ),
                (
                    "fingerprint",
                    models.CharField(
                        help_text="Over rollout, kind, cause, gate, stage, configuration.",
                        max_length=71,
                    ),
                ),
                ("row_version", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "steps",
                    models.JSONField(
                        default=list, help_text="The row's diagnosis, as it was."
                    ),
                ),
                (
                    "began_at",
                    models.DateTimeField(
                        help_text="When it happened, as far as is known."
                    ),
                ),
                ("opened_at", models.DateTimeField()),
                ("acknowledged_at", models.DateTimeField(blank=True, null=True)),
                ("mitigated_at", models.DateTimeField(blank=True, null=True)),
                ("resolved_at", models.DateTimeField(blank=True, null=True)),
                ("reviewed_at", models.DateTimeField(blank=True, null=True)),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("cancelled_at", models.DateTimeField(blank=True, null=True)),
                (
                    "chapter",
                    models.PositiveIntegerField(default=0, help_text="Moves so far."),
                ),
                (
                    "reopened",
                    models.PositiveIntegerField(default=0, help_text="How often."),
                ),
                (
                    "seen",
                    models.PositiveBigIntegerField(
                        default=0, help_text="Signs of it so far."
                    ),
                ),
                ("last_seen_at", models.DateTimeField()),
                (
                    "commander",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "communications",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "opened_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="portal.actor",
                    ),
                ),
                (
                    "previous",
                    models.ForeignKey(
                        blank=True,
                        help_text="The last one about the same subject.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="drills.incident",
                    ),
                ),
                (
                    "rollout",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="incidents",
                        to="rollout.rollout",
                    ),
                ),
                (
                    "scribe",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "stage",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="incidents",
                        to="rollout.stage",
                    ),
                ),
            ],
            options={
                "ordering": ["is_over", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="HistoricalPostmortem",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        auto_created=True, blank=True, db_index=True, verbose_name="ID"
                    ),
                ),
                ("revision", models.PositiveIntegerField(help_text="1 is the draft.")),
                ("text", models.TextField()),
                ("written_at", models.DateTimeField()),
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
                    "written_by",
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
                    "incident",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="drills.incident",
                    ),
                ),
            ],
            options={
                "verbose_name": "historical postmortem",
                "verbose_name_plural": "historical postmortems",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="HistoricalIncidentTask",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        auto_created=True, blank=True, db_index=True, verbose_name="ID"
                    ),
                ),
                ("title", models.CharField(max_length=200)),
                ("due_at", models.DateTimeField()),
                ("is_required", models.BooleanField(default=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "open"),
                            ("done", "done"),
                            ("dropped", "dropped"),
                        ],
                        default=drills.domain.tasks.TaskState["OPEN"],
                        max_length=10,
                    ),
                ),
                ("given_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
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
                    "given_by",
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
                    "owner",
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
                    "incident",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="drills.incident",
                    ),
                ),
            ],
            options={
                "verbose_name": "historical task",
                "verbose_name_plural": "historical tasks",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="MatrixRow",
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
                ("key", models.CharField(max_length=60, unique=True)),
                ("version", models.PositiveIntegerField(default=0)),
                ("is_live", models.BooleanField(default=False)),
                ("symptom", models.TextField()),
                (
                    "severity",
                    models.PositiveSmallIntegerField(
                        choices=[(1, "1"), (2, "2"), (3, "3"), (4, "4")]
                    ),
                ),
                (
                    "matches",
                    models.JSONField(help_text="The signs by which it is recognised."),
                ),
                (
                    "diagnosis",
                    models.JSONField(
                        help_text="Steps; each incident gets them to tick."
                    ),
                ),
                (
                    "rollback_trigger",
                    models.TextField(help_text="What goes back by itself."),
                ),
                ("fallback_action", models.TextField(help_text="What people do.")),
                (
                    "artifacts",
                    models.JSONField(help_text="Files of a run that tell more."),
                ),
            ],
            options={
                "verbose_name": "matrix row",
                "ordering": ["key"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("severity__in", [1, 2, 3, 4])),
                        name="row_severity_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("is_live", False), ("version__gt", 0), _connector="OR"
                        ),
                        name="a_live_row_was_approved",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="incident",
            name="row",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="incidents",
                to="drills.matrixrow",
            ),
        ),
        migrations.CreateModel(
            name="HistoricalIncident",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        auto_created=True, blank=True, db_index=True, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("real", "real"),
                            ("drill", "drill"),
                            ("test", "test"),
                        ],
                        max_length=5,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "open"),
                            ("acknowledged", "acknowledged"),
                            ("mitigated", "mitigated"),
                            ("resolved", "resolved"),
                            ("reviewed", "reviewed"),
                            ("closed", "closed"),
                            ("cancelled", "cancelled"),
                        ],
                        default=drills.domain.incidents.State["OPEN"],
                        max_length=15,
                    ),
                ),
                ("is_over", models.BooleanField(default=False, editable=False)),
                (
                    "severity",
                    models.PositiveSmallIntegerField(
                        choices=[(1, "1"), (2, "2"), (3, "3"), (4, "4")]
                    ),
                ),
                ("title", models.CharField(max_length=200)),
                ("says", models.TextField()),
                ("cause", models.CharField(max_length=60)),
                ("gate", models.CharField(blank=True, max_length=1)),
                (
                    "configuration",
                    models.CharField(
                        blank=True,
                        help_text="The fingerprint under which it happened.",
                        max_length=71,
                    ),
                ),
                (
                    "fingerprint",
                    models.CharField(
                        help_text="Over rollout, kind, cause, gate, stage, configuration.",
                        max_length=71,
                    ),
                ),
                ("row_version", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "steps",
                    models.JSONField(
                        default=list, help_text="The row's diagnosis, as it was."
                    ),
                ),
                (
                    "began_at",
                    models.DateTimeField(
                        help_text="When it happened, as far as is known."
                    ),
                ),
                ("opened_at", models.DateTimeField()),
                ("acknowledged_at", models.DateTimeField(blank=True, null=True)),
                ("mitigated_at", models.DateTimeField(blank=True, null=True)),
                ("resolved_at", models.DateTimeField(blank=True, null=True)),
                ("reviewed_at", models.DateTimeField(blank=True, null=True)),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("cancelled_at", models.DateTimeField(blank=True, null=True)),
                (
                    "chapter",
                    models.PositiveIntegerField(default=0, help_text="Moves so far."),
                ),
                (
                    "reopened",
                    models.PositiveIntegerField(default=0, help_text="How often."),
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
                    "commander",
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
                    "communications",
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
                    "opened_by",
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
                (
                    "scribe",
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
                (
                    "previous",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        help_text="The last one about the same subject.",
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="drills.incident",
                    ),
                ),
                (
                    "row",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="drills.matrixrow",
                    ),
                ),
            ],
            options={
                "verbose_name": "historical incident",
                "verbose_name_plural": "historical incidents",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="Postmortem",
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
                ("revision", models.PositiveIntegerField(help_text="1 is the draft.")),
                ("text", models.TextField()),
                ("written_at", models.DateTimeField()),
                (
                    "incident",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="postmortem",
                        to="drills.incident",
                    ),
                ),
                (
                    "written_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="portal.actor",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="Sighting",
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
                        choices=[
                            ("real", "real"),
                            ("drill", "drill"),
                            ("test", "test"),
                        ],
                        max_length=5,
                    ),
                ),
                ("cause", models.CharField(max_length=60)),
                ("gate", models.CharField(blank=True, max_length=1)),
                ("configuration", models.CharField(blank=True, max_length=71)),
                ("fingerprint", models.CharField(max_length=71)),
                ("says", models.CharField(max_length=500)),
                ("began_at", models.DateTimeField()),
                ("noticed_at", models.DateTimeField()),
                (
                    "firing",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="rollout.triggerfiring",
                    ),
                ),
                (
                    "rollout",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="rollout.rollout",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="rollout.run",
                    ),
                ),
                (
                    "stage",
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
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="StepResult",
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
                    models.PositiveSmallIntegerField(help_text="Of the step, from 1."),
                ),
                ("step", models.TextField()),
                (
                    "finding",
                    models.CharField(
                        choices=[
                            ("found", "found"),
                            ("not_found", "not found"),
                            ("could_not_look", "could not look"),
                        ],
                        max_length=15,
                    ),
                ),
                ("note", models.TextField()),
                ("recorded_at", models.DateTimeField()),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="results",
                        to="drills.incident",
                    ),
                ),
                (
                    "recorded_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="portal.actor",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="TimelineEntry",
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
                        choices=[
                            ("sign", "sign"),
                            ("move", "move"),
                            ("note", "note"),
                            ("role", "role"),
                            ("task", "task"),
                            ("step", "step"),
                            ("link", "link"),
                            ("severity", "severity"),
                            ("reminder", "reminder"),
                            ("postmortem", "postmortem"),
                        ],
                        max_length=10,
                    ),
                ),
                ("key", models.CharField(blank=True, max_length=71)),
                ("says", models.TextField()),
                ("at", models.DateTimeField()),
                ("chapter", models.PositiveIntegerField()),
                ("count", models.PositiveBigIntegerField(default=1)),
                ("last_at", models.DateTimeField()),
                (
                    "actor",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="portal.actor",
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="timeline",
                        to="drills.incident",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "timeline entries",
                "ordering": ["at", "pk"],
            },
        ),
        migrations.CreateModel(
            name="IncidentLink",
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
                ("subject_type", models.CharField(max_length=80)),
                ("subject_id", models.CharField(max_length=200)),
                ("subject_name", models.CharField(max_length=300)),
                ("linked_at", models.DateTimeField()),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="links",
                        to="drills.incident",
                    ),
                ),
                (
                    "linked_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="portal.actor",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "indexes": [
                    models.Index(
                        fields=["subject_type", "subject_id"],
                        name="incidents_of_a_thing",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("incident", "subject_type", "subject_id"),
                        name="a_thing_is_linked_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="IncidentTask",
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
                ("due_at", models.DateTimeField()),
                ("is_required", models.BooleanField(default=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "open"),
                            ("done", "done"),
                            ("dropped", "dropped"),
                        ],
                        default=drills.domain.tasks.TaskState["OPEN"],
                        max_length=10,
                    ),
                ),
                ("given_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "given_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="portal.actor",
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="tasks",
                        to="drills.incident",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="incident_tasks",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "task",
                "ordering": ["-pk"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "open")),
                        fields=["owner", "due_at"],
                        name="task_waiting",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["open", "done", "dropped"])),
                        name="task_state_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state", "open"),
                            ("ended_at__isnull", False),
                            _connector="XOR",
                        ),
                        name="a_task_that_is_over_has_an_end",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="IncidentTimer",
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
                        choices=[
                            ("acknowledge", "acknowledge"),
                            ("safety", "safety"),
                            ("resolve", "resolve"),
                            ("activity", "activity"),
                        ],
                        max_length=15,
                    ),
                ),
                ("since", models.DateTimeField()),
                ("due_at", models.DateTimeField()),
                (
                    "rings_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When it is due, or reminds again.",
                        null=True,
                    ),
                ),
                ("stopped_at", models.DateTimeField(blank=True, null=True)),
                ("reminders", models.PositiveIntegerField(default=0)),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="timers",
                        to="drills.incident",
                    ),
                ),
            ],
            options={
                "ordering": ["due_at"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("rings_at__isnull", False)),
                        fields=["rings_at"],
                        name="timer_rings",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                ["acknowledge", "safety", "resolve", "activity"],
                            )
                        ),
                        name="timer_kind_is_known",
                    ),
                    models.UniqueConstraint(
                        fields=("incident", "kind"),
                        name="an_incident_has_a_timer_of_each_kind",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("stopped_at__isnull", True),
                            ("rings_at__isnull", True),
                            _connector="XOR",
                        ),
                        name="a_timer_rings_until_it_is_stopped",
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(fields=["is_over", "-id"], name="incident_open_first"),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(
                condition=models.Q(("is_over", False)),
                fields=["rollout", "severity", "-id"],
                name="incident_not_over",
            ),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(fields=["rollout", "-id"], name="incident_of_rollout"),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(fields=["kind", "-id"], name="incident_by_kind"),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(fields=["fingerprint", "-id"], name="incident_before"),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["real", "drill", "test"])),
                name="incident_kind_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        [
                            "open",
                            "acknowledged",
                            "mitigated",
                            "resolved",
                            "reviewed",
                            "closed",
                            "cancelled",
                        ],
                    )
                ),
                name="incident_state_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(("severity__in", [1, 2, 3, 4])),
                name="incident_severity_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        [
                            drills.domain.incidents.State["OPEN"],
                            drills.domain.incidents.State["ACKNOWLEDGED"],
                            drills.domain.incidents.State["MITIGATED"],
                        ],
                    )
                ),
                fields=("fingerprint",),
                name="a_subject_has_one_active_incident",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("acknowledged_at__isnull", True),
                        ("cancelled_at__isnull", True),
                        ("closed_at__isnull", True),
                        ("mitigated_at__isnull", True),
                        ("resolved_at__isnull", True),
                        ("reviewed_at__isnull", True),
                        ("state", drills.domain.incidents.State["OPEN"]),
                    ),
                    models.Q(
                        ("acknowledged_at__isnull", True),
                        ("cancelled_at__isnull", True),
                        ("closed_at__isnull", True),
                        ("mitigated_at__isnull", True),
                        ("resolved_at__isnull", True),
                        ("reviewed_at__isnull", True),
                        ("state", drills.domain.incidents.State["OPEN"]),
                    ),
                    models.Q(
                        ("acknowledged_at__isnull", False),
                        ("cancelled_at__isnull", True),
                        ("closed_at__isnull", True),
                        ("mitigated_at__isnull", True),
                        ("resolved_at__isnull", True),
                        ("reviewed_at__isnull", True),
                        ("state", drills.domain.incidents.State["ACKNOWLEDGED"]),
                    ),
                    models.Q(
                        ("acknowledged_at__isnull", False),
                        ("cancelled_at__isnull", True),
                        ("closed_at__isnull", True),
                        ("mitigated_at__isnull", False),
                        ("resolved_at__isnull", True),
                        ("reviewed_at__isnull", True),
                        ("state", drills.domain.incidents.State["MITIGATED"]),
                    ),
                    models.Q(
                        ("acknowledged_at__isnull", False),
                        ("cancelled_at__isnull", True),
                        ("closed_at__isnull", True),
                        ("mitigated_at__isnull", False),
                        ("resolved_at__isnull", False),
                        ("reviewed_at__isnull", True),
                        ("state", drills.domain.incidents.State["RESOLVED"]),
                    ),
                    models.Q(
                        ("acknowledged_at__isnull", False),
                        ("cancelled_at__isnull", True),
                        ("closed_at__isnull", True),
                        ("mitigated_at__isnull", False),
                        ("resolved_at__isnull", False),
                        ("reviewed_at__isnull", False),
                        ("state", drills.domain.incidents.State["REVIEWED"]),
                    ),
                    models.Q(
                        ("acknowledged_at__isnull", False),
                        ("cancelled_at__isnull", True),
                        ("closed_at__isnull", False),
                        ("mitigated_at__isnull", False),
                        ("resolved_at__isnull", False),
                        ("reviewed_at__isnull", False),
                        ("state", drills.domain.incidents.State["CLOSED"]),
                    ),
                    models.Q(
                        ("cancelled_at__isnull", False),
                        ("closed_at__isnull", True),
                        ("resolved_at__isnull", True),
                        ("reviewed_at__isnull", True),
                        ("state", drills.domain.incidents.State["CANCELLED"]),
                        models.Q(
                            ("mitigated_at", None),
                            ("acknowledged_at__isnull", False),
                            _connector="OR",
                        ),
                    ),
                    _connector="OR",
                ),
                name="an_incident_has_the_milestones_of_its_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("acknowledged_at__isnull", True),
                        ("acknowledged_at__gte", models.F("opened_at")),
                        _connector="OR",
                    ),
                    models.Q(
                        ("mitigated_at__isnull", True),
                        ("mitigated_at__gte", models.F("acknowledged_at")),
                        _connector="OR",
                    ),
                    models.Q(
                        ("resolved_at__isnull", True),
                        ("resolved_at__gte", models.F("mitigated_at")),
                        _connector="OR",
                    ),
                    models.Q(
                        ("reviewed_at__isnull", True),
                        ("reviewed_at__gte", models.F("resolved_at")),
                        _connector="OR",
                    ),
                    models.Q(
                        ("closed_at__isnull", True),
                        ("closed_at__gte", models.F("reviewed_at")),
                        _connector="OR",
                    ),
                    models.Q(
                        ("cancelled_at__isnull", True),
                        ("cancelled_at__gte", models.F("opened_at")),
                        _connector="OR",
                    ),
                ),
                name="milestones_are_in_order",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("is_over", True),
                        (
                            "state__in",
                            [
                                drills.domain.incidents.State["CLOSED"],
                                drills.domain.incidents.State["CANCELLED"],
                            ],
                        ),
                    ),
                    models.Q(
                        ("is_over", False),
                        models.Q(
                            (
                                "state__in",
                                [
                                    drills.domain.incidents.State["CLOSED"],
                                    drills.domain.incidents.State["CANCELLED"],
                                ],
                            ),
                            _negated=True,
                        ),
                    ),
                    _connector="OR",
                ),
                name="an_incident_is_over_when_its_state_says_so",
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("row", None), ("row_version", None)),
                    models.Q(("row__isnull", False), ("row_version__isnull", False)),
                    _connector="OR",
                ),
                name="an_incident_names_the_version_of_its_row",
            ),
        ),
        migrations.AddIndex(
            model_name="sighting",
            index=models.Index(fields=["fingerprint", "id"], name="sighting_subject"),
        ),
        migrations.AddIndex(
            model_name="stepresult",
            index=models.Index(
                fields=["incident", "number", "-id"], name="step_result_newest"
            ),
        ),
        migrations.AddConstraint(
            model_name="stepresult",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("finding__in", ["found", "not_found", "could_not_look"])
                ),
                name="finding_is_known",
            ),
        ),
        migrations.AddIndex(
            model_name="timelineentry",
            index=models.Index(
                fields=["incident", "-at", "-id"], name="timeline_newest"
            ),
        ),
        migrations.AddConstraint(
            model_name="timelineentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "sign",
                            "move",
                            "note",
                            "role",
                            "task",
                            "step",
                            "link",
                            "severity",
                            "reminder",
                            "postmortem",
                        ],
                    )
                ),
                name="timeline_kind_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="timelineentry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("key", ""), _negated=True),
                fields=("incident", "key"),
                name="equal_entries_are_counted",
            ),
        ),
        migrations.AddConstraint(
            model_name="timelineentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("count__gte", 1), ("last_at__gte", models.F("at"))),
                name="an_entry_is_counted_from_one",
            ),
        ),
    ]
