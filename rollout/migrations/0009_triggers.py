import django.db.models.deletion
import simple_history.models
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0002_written_once"),
        ("rollout", "0008_the_canary_engine_is_guarded"),
    ]

    operations = [
        migrations.CreateModel(
            name="HistoricalTrigger",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        auto_created=True, blank=True, db_index=True, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=100)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("hard_gate_failed", "hard gate failed"),
                            ("citations_failing", "citations failing"),
                            ("outputs_unparseable", "outputs unparseable"),
                            ("run_hung", "run hung"),
                            ("provider_failing", "provider failing"),
                            ("sources_blocked", "sources blocked"),
                            ("web_exposed", "web exposed"),
                            ("conflicts_persist", "conflicts persist"),
                            ("verification_failed", "verification failed"),
                            ("sample_ratio_off", "sample ratio off"),
                            ("degraded_late", "degraded late"),
                            ("statistics_against", "statistics against"),
                        ],
                        max_length=30,
                    ),
                ),
                ("description", models.TextField(blank=True)),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("notify", "notify"),
                            ("hold", "hold"),
                            ("roll_back", "roll back"),
                            ("switch_off", "switch off"),
                        ],
                        max_length=15,
                    ),
                ),
                (
                    "cooldown_s",
                    models.PositiveIntegerField(
                        default=0, help_text="How long it rests after it has fired."
                    ),
                ),
                (
                    "is_dry_run",
                    models.BooleanField(
                        default=False,
                        help_text="It says what it would do, and does nothing.",
                    ),
                ),
                (
                    "threshold",
                    models.FloatField(blank=True, help_text="A rate.", null=True),
                ),
                (
                    "at_least",
                    models.PositiveIntegerField(
                        blank=True, help_text="A count.", null=True
                    ),
                ),
                ("window_s", models.PositiveIntegerField(blank=True, null=True)),
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
                "verbose_name": "historical trigger",
                "verbose_name_plural": "historical triggers",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="Trigger",
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
                    "kind",
                    models.CharField(
                        choices=[
                            ("hard_gate_failed", "hard gate failed"),
                            ("citations_failing", "citations failing"),
                            ("outputs_unparseable", "outputs unparseable"),
                            ("run_hung", "run hung"),
                            ("provider_failing", "provider failing"),
                            ("sources_blocked", "sources blocked"),
                            ("web_exposed", "web exposed"),
                            ("conflicts_persist", "conflicts persist"),
                            ("verification_failed", "verification failed"),
                            ("sample_ratio_off", "sample ratio off"),
                            ("degraded_late", "degraded late"),
                            ("statistics_against", "statistics against"),
                        ],
                        max_length=30,
                    ),
                ),
                ("description", models.TextField(blank=True)),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("notify", "notify"),
                            ("hold", "hold"),
                            ("roll_back", "roll back"),
                            ("switch_off", "switch off"),
                        ],
                        max_length=15,
                    ),
                ),
                (
                    "cooldown_s",
                    models.PositiveIntegerField(
                        default=0, help_text="How long it rests after it has fired."
                    ),
                ),
                (
                    "is_dry_run",
                    models.BooleanField(
                        default=False,
                        help_text="It says what it would do, and does nothing.",
                    ),
                ),
                (
                    "threshold",
                    models.FloatField(blank=True, help_text="A rate.", null=True),
                ),
                (
                    "at_least",
                    models.PositiveIntegerField(
                        blank=True, help_text="A count.", null=True
                    ),
                ),
                ("window_s", models.PositiveIntegerField(blank=True, null=True)),
                ("is_live", models.BooleanField(default=True)),
                (
                    "rollout",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="triggers",
                        to="rollout.rollout",
                    ),
                ),
            ],
            options={
                "ordering": ["rollout", "key"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                [
                                    "hard_gate_failed",
                                    "citations_failing",
                                    "outputs_unparseable",
                                    "run_hung",
                                    "provider_failing",
                                    "sources_blocked",
                                    "web_exposed",
                                    "conflicts_persist",
                                    "verification_failed",
                                    "sample_ratio_off",
                                    "degraded_late",
                                    "statistics_against",
                                ],
                            )
                        ),
                        name="trigger_kind_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "action__in",
                                ["notify", "hold", "roll_back", "switch_off"],
                            )
                        ),
                        name="trigger_action_is_known",
                    ),
                    models.UniqueConstraint(
                        fields=("rollout", "key"),
                        name="trigger_key_is_unique_in_its_rollout",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Watch",
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
                ("floor", models.FloatField()),
                (
                    "runs",
                    models.PositiveIntegerField(
                        default=0, help_text="That said something."
                    ),
                ),
                (
                    "sums",
                    models.JSONField(
                        help_text="The detector's sums; it goes on from them."
                    ),
                ),
                (
                    "upto",
                    models.PositiveIntegerField(
                        help_text="Start order of the last run seen."
                    ),
                ),
                ("seen_at", models.DateTimeField()),
                (
                    "attempt",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="watches",
                        to="rollout.attempt",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "watches",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("attempt", "gate"),
                        name="one_watch_over_a_gate_of_an_attempt",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Symptom",
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
                            ("provider_failed", "provider failed"),
                            ("sources_blocked", "sources blocked"),
                            ("web_exposed", "web exposed"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        help_text="Where in its documents.", max_length=550
                    ),
                ),
                (
                    "place",
                    models.PositiveBigIntegerField(
                        help_text="In the order of its source."
                    ),
                ),
                ("count", models.PositiveIntegerField()),
                ("says", models.TextField()),
                (
                    "rules",
                    models.CharField(
                        help_text="Version of the patterns.", max_length=40
                    ),
                ),
                (
                    "digest",
                    models.CharField(help_text="Of the document.", max_length=71),
                ),
                ("noticed_at", models.DateTimeField()),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="symptoms",
                        to="rollout.run",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                ["provider_failed", "sources_blocked", "web_exposed"],
                            )
                        ),
                        name="symptom_kind_is_known",
                    ),
                    models.UniqueConstraint(
                        fields=("run", "kind", "source"),
                        name="a_symptom_is_noticed_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="TriggerFiring",
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
                    "trigger_digest",
                    models.CharField(
                        help_text="Of the trigger as it was then.", max_length=71
                    ),
                ),
                (
                    "subject",
                    models.CharField(help_text="What it fired about.", max_length=300),
                ),
                ("says", models.TextField()),
                ("facts", models.JSONField(help_text="All that was known.")),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("notify", "notify"),
                            ("hold", "hold"),
                            ("roll_back", "roll back"),
                            ("switch_off", "switch off"),
                        ],
                        max_length=15,
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("done", "done"),
                            ("already", "already"),
                            ("outranked", "outranked"),
                            ("cooling_down", "cooling down"),
                            ("dry_run", "dry run"),
                        ],
                        max_length=15,
                    ),
                ),
                ("at", models.DateTimeField()),
                (
                    "attempt",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="firings",
                        to="rollout.attempt",
                    ),
                ),
                (
                    "evaluation",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="firings",
                        to="rollout.evaluation",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="firings",
                        to="rollout.run",
                    ),
                ),
                (
                    "stage",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="firings",
                        to="rollout.stage",
                    ),
                ),
                (
                    "trigger",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="firings",
                        to="rollout.trigger",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "indexes": [
                    models.Index(fields=["trigger", "-at"], name="firing_latest")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "action__in",
                                ["notify", "hold", "roll_back", "switch_off"],
                            )
                        ),
                        name="firing_action_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "outcome__in",
                                [
                                    "done",
                                    "already",
                                    "outranked",
                                    "cooling_down",
                                    "dry_run",
                                ],
                            )
                        ),
                        name="firing_outcome_is_known",
                    ),
                    models.UniqueConstraint(
                        fields=("trigger", "subject"),
                        name="a_trigger_fires_once_about_a_subject",
                    ),
                ],
            },
        ),
    ]
