"""What the vault holds, counted and looked at; from the artifacts that are there."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("rollout", "0010_triggers_are_guarded"),
    ]

    operations = [
        migrations.CreateModel(
            name="VaultUse",
            fields=[
                (
                    "rollout",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="vault_use",
                        serialize=False,
                        to="rollout.rollout",
                    ),
                ),
                ("bytes", models.PositiveBigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="Content",
            fields=[
                (
                    "digest",
                    models.CharField(max_length=71, primary_key=True, serialize=False),
                ),
                ("size", models.PositiveBigIntegerField(help_text="In bytes.")),
                (
                    "checked_at",
                    models.DateTimeField(
                        help_text="When they were last read whole: at first when they were stored."
                    ),
                ),
                (
                    "trouble",
                    models.CharField(
                        blank=True,
                        help_text="missing or damaged; empty: intact.",
                        max_length=10,
                    ),
                ),
            ],
            options={
                "ordering": ["checked_at"],
                "indexes": [
                    models.Index(fields=["checked_at"], name="content_check"),
                    models.Index(
                        condition=models.Q(("trouble", ""), _negated=True),
                        fields=["digest"],
                        name="content_trouble",
                    ),
                ],
            },
        ),
        migrations.RunSQL(
            """
            INSERT INTO rollout_content (digest, size, checked_at, trouble)
            SELECT digest, max(size), min(received_at), ''
            FROM rollout_artifact GROUP BY digest
            """,
            migrations.RunSQL.noop,
        ),
        migrations.RunSQL(
            """
            INSERT INTO rollout_vaultuse (rollout_id, bytes)
            SELECT run.rollout_id, sum(artifact.size)
            FROM rollout_artifact artifact JOIN rollout_run run
            ON run.id = artifact.run_id GROUP BY run.rollout_id
            """,
            migrations.RunSQL.noop,
        ),
    ]
