"""Incidents, a kind of subject with a history of its own."""

import django.db.models.deletion
from django.db import migrations, models

TABLES = """
INSERT INTO fleet_lifecyclesubject (kind, table_name, chained) VALUES ('incident', 'fleet_incident', true);
SELECT muster_subject('fleet_incident', 'incident');
"""

UNDO = """
DROP TRIGGER subject_insert ON fleet_incident; DROP TRIGGER subject_update ON fleet_incident;
DROP TRIGGER subject_delete ON fleet_incident; DROP TRIGGER subject_truncate ON fleet_incident;
DROP TRIGGER subject_check ON fleet_incident; DROP TRIGGER subject_fixed ON fleet_incident;
DELETE FROM fleet_lifecyclesubject WHERE kind = 'incident';
"""


class Migration(migrations.Migration):
    dependencies = [
        ("fleet", "0003_reading"),
    ]

    operations = [
        migrations.CreateModel(
            name="Incident",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("state", models.TextField(default="", editable=False)),
                ("state_since", models.DateTimeField(editable=False, null=True)),
                ("seq", models.PositiveIntegerField(default=0, editable=False)),
                ("head", models.BinaryField(default=b"")),
                ("kind", models.TextField()),
                ("place", models.TextField()),
                ("words", models.TextField()),
                ("opened_at", models.DateTimeField(auto_now_add=True)),
                ("site", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="fleet.site")),
            ],
        ),
        migrations.AddField(
            model_name="finding",
            name="incident",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="findings",
                to="fleet.incident",
            ),
        ),
        migrations.AddIndex(
            model_name="finding",
            index=models.Index(
                condition=models.Q(("incident__isnull", False)), fields=["incident"], name="finding_folded"
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "closed"), _negated=True),
                fields=("site", "kind", "place"),
                name="incident_once",
            ),
        ),
        migrations.RunSQL([TABLES], UNDO),
    ]
