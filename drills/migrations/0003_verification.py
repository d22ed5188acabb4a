import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("drills", "0002_incidents_are_guarded"),
        ("portal", "0002_written_once"),
        ("rollout", "0010_triggers_are_guarded"),
    ]

    operations = [
        migrations.CreateModel(
            name="VerificationHost",
            fields=[
                (
                    "name",
                    models.CharField(max_length=120, primary_key=True, serialize=False),
                ),
                ("digest", models.CharField(blank=True, max_length=71)),
                ("checks", models.JSONField(default=list)),
                (
                    "error",
                    models.TextField(
                        blank=True, help_text="Why the file cannot be used."
                    ),
                ),
                ("sandbox", models.CharField(max_length=60)),
                ("looked_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="VerificationRun",
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
                ("reason", models.TextField()),
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
                    "rollout",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="verifications",
                        to="rollout.rollout",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "indexes": [
                    models.Index(fields=["rollout", "-id"], name="verification_newest")
                ],
            },
        ),
        migrations.CreateModel(
            name="VerificationResult",
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
                ("name", models.CharField(max_length=60)),
                ("suite_digest", models.CharField(max_length=71)),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("passed", "passed"),
                            ("failed", "failed"),
                            ("timed_out", "timed out"),
                            ("not_started", "not started"),
                        ],
                        max_length=15,
                    ),
                ),
                ("exit_code", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("started_at", models.DateTimeField()),
                ("duration_s", models.FloatField(help_text="In seconds.")),
                ("transcript", models.TextField(blank=True)),
                ("transcript_digest", models.CharField(max_length=71)),
                (
                    "output_size",
                    models.PositiveBigIntegerField(
                        help_text="Of all that it said, in bytes."
                    ),
                ),
                (
                    "outlived",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Processes that went on after it, and were ended.",
                    ),
                ),
                ("tools", models.JSONField(default=dict)),
                ("sandbox", models.CharField(max_length=60)),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="results",
                        to="drills.verificationrun",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "outcome__in",
                                ["passed", "failed", "timed_out", "not_started"],
                            )
                        ),
                        name="verification_outcome_is_known",
                    ),
                    models.UniqueConstraint(
                        fields=("run", "name"),
                        name="a_check_is_carried_out_once_in_a_run",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="VerificationVerdict",
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
                ("has_passed", models.BooleanField()),
                ("says", models.TextField()),
                (
                    "suite",
                    models.JSONField(
                        default=list, help_text="Every check, as it was defined."
                    ),
                ),
                ("suite_digest", models.CharField(blank=True, max_length=71)),
                ("host", models.CharField(max_length=120)),
                ("finished_at", models.DateTimeField()),
                (
                    "run",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="verdict",
                        to="drills.verificationrun",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
    ]
