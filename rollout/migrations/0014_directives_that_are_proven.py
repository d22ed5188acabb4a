"""Directives that manifests prove, that are overdue, and that go to all runs."""

import django.db.models.deletion
import simple_history.models
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0002_written_once"),
        ("rollout", "0013_taken_fallbacks_are_guarded"),
    ]

    operations = [
        migrations.CreateModel(
            name="Broadcast",
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
                            ("pause", "pause"),
                            ("resume", "resume"),
                            ("cancel", "cancel"),
                            ("reroute", "reroute"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "scope",
                    models.JSONField(
                        default=dict, help_text="A team, a run stage; nothing: all."
                    ),
                ),
                ("reason", models.TextField()),
                ("asked_at", models.DateTimeField()),
                (
                    "upto",
                    models.PositiveBigIntegerField(
                        help_text="The last run that is meant."
                    ),
                ),
                (
                    "reached",
                    models.PositiveBigIntegerField(
                        default=0, help_text="The last run that was looked at."
                    ),
                ),
                (
                    "directed",
                    models.PositiveIntegerField(
                        default=0, help_text="How many runs were asked."
                    ),
                ),
                ("done_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="HistoricalBroadcast",
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
                            ("pause", "pause"),
                            ("resume", "resume"),
                            ("cancel", "cancel"),
                            ("reroute", "reroute"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "scope",
                    models.JSONField(
                        default=dict, help_text="A team, a run stage; nothing: all."
                    ),
                ),
                ("reason", models.TextField()),
                ("asked_at", models.DateTimeField()),
                (
                    "upto",
                    models.PositiveBigIntegerField(
                        help_text="The last run that is meant."
                    ),
                ),
                (
                    "directed",
                    models.PositiveIntegerField(
                        default=0, help_text="How many runs were asked."
                    ),
                ),
                ("done_at", models.DateTimeField(blank=True, null=True)),
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
            ],
            options={
                "verbose_name": "historical broadcast",
                "verbose_name_plural": "historical broadcasts",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.AddField(
            model_name="directive",
            name="overdue_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When the portal told that it was overdue.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="directive",
            name="proof",
            field=models.CharField(
                blank=True,
                choices=[
                    ("unnamed", "unnamed"),
                    ("awaited", "awaited"),
                    ("shown", "shown"),
                    ("contradicted", "contradicted"),
                ],
                help_text="Whether that manifest shows it.",
                max_length=15,
            ),
        ),
        migrations.AddField(
            model_name="historicaldirective",
            name="overdue_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When the portal told that it was overdue.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="historicaldirective",
            name="proof",
            field=models.CharField(
                blank=True,
                choices=[
                    ("unnamed", "unnamed"),
                    ("awaited", "awaited"),
                    ("shown", "shown"),
                    ("contradicted", "contradicted"),
                ],
                help_text="Whether that manifest shows it.",
                max_length=15,
            ),
        ),
        migrations.AddIndex(
            model_name="directive",
            index=models.Index(
                condition=models.Q(("overdue_at", None), ("state", "issued")),
                fields=["due_at"],
                name="directive_not_told_of",
            ),
        ),
        migrations.AddIndex(
            model_name="directive",
            index=models.Index(
                condition=models.Q(("proof", "awaited")),
                fields=["run", "revision"],
                name="directive_awaits_proof",
            ),
        ),
        migrations.AddIndex(
            model_name="directive",
            index=models.Index(
                condition=models.Q(("proof", "contradicted")),
                fields=["-id"],
                name="directive_contradicted",
            ),
        ),
        migrations.AddField(
            model_name="broadcast",
            name="asked_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="portal.actor",
            ),
        ),
        migrations.AddField(
            model_name="broadcast",
            name="rollout",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="broadcasts",
                to="rollout.rollout",
            ),
        ),
        migrations.AddField(
            model_name="historicalbroadcast",
            name="asked_by",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="portal.actor",
            ),
        ),
        migrations.AddField(
            model_name="historicalbroadcast",
            name="history_user",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="portal.actor",
            ),
        ),
        migrations.AddField(
            model_name="historicalbroadcast",
            name="rollout",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="rollout.rollout",
            ),
        ),
        migrations.AddIndex(
            model_name="broadcast",
            index=models.Index(
                condition=models.Q(("done_at", None)),
                fields=["-id"],
                name="broadcast_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="broadcast",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind__in", ["pause", "resume", "cancel", "reroute"])
                ),
                name="broadcast_kind_is_known",
            ),
        ),
    ]
