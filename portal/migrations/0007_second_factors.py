import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0006_sealing_is_guarded"),
    ]

    operations = [
        migrations.CreateModel(
            name="SecondFactor",
            fields=[
                (
                    "person",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="second_factor",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("encrypted_secret", models.TextField()),
                ("begun_at", models.DateTimeField()),
                ("confirmed_at", models.DateTimeField(blank=True, null=True)),
                ("last_step", models.BigIntegerField(default=0)),
                (
                    "failures",
                    models.PositiveIntegerField(
                        default=0, help_text="Since the last code."
                    ),
                ),
                ("failed_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.AddField(
            model_name="historicalperson",
            name="credentials_reset_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When somebody else last reset their password or second factor.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="historicalperson",
            name="second_factor_since",
            field=models.DateTimeField(
                blank=True,
                help_text="Empty: the password alone lets them in.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="person",
            name="credentials_reset_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When somebody else last reset their password or second factor.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="person",
            name="second_factor_since",
            field=models.DateTimeField(
                blank=True,
                help_text="Empty: the password alone lets them in.",
                null=True,
            ),
        ),
        migrations.CreateModel(
            name="RecoveryCode",
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
                ("keyed_hash", models.CharField(max_length=64, unique=True)),
                ("made_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="recovery_codes",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
    ]
