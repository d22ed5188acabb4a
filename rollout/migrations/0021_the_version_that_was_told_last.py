from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("rollout", "0020_a_cooled_trigger_fires_later"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(
                    ("attempt__isnull", False),
                    models.Q(("system_version", "unknown"), _negated=True),
                ),
                fields=["rollout", "-id"],
                name="run_told_its_version",
            ),
        ),
    ]
