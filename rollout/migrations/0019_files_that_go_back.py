from django.db import migrations


class Migration(migrations.Migration):
    """A file may become again what it was: a version more, with bytes known before."""

    dependencies = [("rollout", "0018_agents_beside_installations")]

    operations = [
        migrations.RemoveConstraint(
            model_name="artifact", name="artifact_content_is_unique_in_its_path"
        ),
    ]
