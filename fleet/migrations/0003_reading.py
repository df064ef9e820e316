"""What pages read by: how a person wants them, and the indexes of the search."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# pg_trgm is a trusted extension: the owner of the database may create it. One index serves a piece of a word anywhere
# in it (a label's last four digits) and what is nearest to a word with a mistake in it.
INDEXES = """
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE INDEX device_search ON fleet_device USING gin (name gin_trgm_ops, serial gin_trgm_ops);
CREATE INDEX cable_search ON fleet_cable USING gin (label gin_trgm_ops);
CREATE INDEX part_search ON fleet_part USING gin (serial gin_trgm_ops);
CREATE INDEX bmc_mac ON fleet_bmc (mac);
CREATE INDEX address_address ON fleet_address (address);
CREATE INDEX port_name ON fleet_port (name);
CREATE INDEX finding_needs ON fleet_finding (opened_at) WHERE closed_at IS NULL AND acknowledged_at IS NULL;
CREATE INDEX partmove_from ON fleet_partmove (from_device_id, at DESC);
"""

UNDO = """
DROP INDEX device_search; DROP INDEX cable_search; DROP INDEX part_search; DROP INDEX bmc_mac;
DROP INDEX address_address; DROP INDEX port_name; DROP INDEX finding_needs; DROP INDEX partmove_from;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("fleet", "0002_history"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.CreateModel(
            name="Preference",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("theme", models.TextField(blank=True, default="")),
                ("keys", models.BooleanField(default=True)),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="preference",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="preference",
            constraint=models.CheckConstraint(
                condition=models.Q(("theme__in", ["", "light", "dark"])), name="preference_theme"
            ),
        ),
        migrations.RunSQL([INDEXES], UNDO),
    ]
