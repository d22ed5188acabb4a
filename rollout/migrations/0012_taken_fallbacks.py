"""Who took a fallback offer, and which runs still wait for that."""

import django.db.models.deletion
import simple_history.models
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0002_written_once"),
        ("rollout", "0011_contents_of_the_vault"),
    ]

    operations = [
        migrations.CreateModel(
            name="HistoricalRouting",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        auto_created=True, blank=True, db_index=True, verbose_name="ID"
                    ),
                ),
                ("workflow", models.CharField(max_length=50)),
                (
                    "standard_run_id",
                    models.CharField(
                        blank=True,
                        help_text="The run that took over, if anybody said.",
                        max_length=200,
                    ),
                ),
                (
                    "means",
                    models.CharField(
                        choices=[("api", "api"), ("admin", "admin")], max_length=10
                    ),
                ),
                ("reason", models.TextField()),
                ("taken_at", models.DateTimeField()),
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
                "verbose_name": "historical routing",
                "verbose_name_plural": "historical routings",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="Routing",
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
                ("workflow", models.CharField(max_length=50)),
                (
                    "standard_run_id",
                    models.CharField(
                        blank=True,
                        help_text="The run that took over, if anybody said.",
                        max_length=200,
                    ),
                ),
                (
                    "means",
                    models.CharField(
                        choices=[("api", "api"), ("admin", "admin")], max_length=10
                    ),
                ),
                ("reason", models.TextField()),
                ("taken_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.AddField(
            model_name="historicalrun",
            name="awaits_fallback",
            field=models.BooleanField(
                default=False,
                help_text="It has a fallback offer that nobody has taken yet.",
            ),
        ),
        migrations.AddField(
            model_name="run",
            name="awaits_fallback",
            field=models.BooleanField(
                default=False,
                help_text="It has a fallback offer that nobody has taken yet.",
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("awaits_fallback", True)),
                fields=["rollout", "-id"],
                name="run_awaits_fallback",
            ),
        ),
        migrations.AddField(
            model_name="historicalrouting",
            name="history_user",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="portal.actor",
            ),
        ),
        migrations.AddField(
            model_name="historicalrouting",
            name="offer",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="rollout.fallbackoffer",
            ),
        ),
        migrations.AddField(
            model_name="historicalrouting",
            name="taken_by",
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
            model_name="routing",
            name="offer",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="routing",
                to="rollout.fallbackoffer",
            ),
        ),
        migrations.AddField(
            model_name="routing",
            name="taken_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="portal.actor",
            ),
        ),
        migrations.AddConstraint(
            model_name="routing",
            constraint=models.CheckConstraint(
                condition=models.Q(("means__in", ["api", "admin"])),
                name="routing_means_is_known",
            ),
        ),
    ]
