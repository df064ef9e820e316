"""Who is told of which findings, and what was told."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

# What the makers of notices look up every few seconds: findings that were closed lately, those that nobody has
# acknowledged, and when the history was verified last.
INDEXES = """
CREATE INDEX finding_closed ON fleet_finding (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX evidence_history ON fleet_evidence (at) WHERE kind = 'history';
"""

UNDO = "DROP INDEX finding_closed; DROP INDEX evidence_history;"


class Migration(migrations.Migration):
    dependencies = [
        ("fleet", "0004_incidents"),
    ]

    operations = [
        migrations.CreateModel(
            name="NoticeRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.TextField()),
                ("severity", models.TextField(default="warning")),
                (
                    "domains",
                    django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None),
                ),
                (
                    "kinds",
                    django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None),
                ),
                ("channel", models.TextField()),
                ("target", models.TextField()),
                ("quiet_from", models.TimeField(null=True)),
                ("quiet_until", models.TimeField(null=True)),
                ("critical_breaks_quiet", models.BooleanField(default=True)),
                ("escalate_after_min", models.PositiveIntegerField(null=True)),
                ("tell_closed", models.BooleanField(default=False)),
                ("active", models.BooleanField(default=True)),
                ("changed_at", models.DateTimeField(auto_now=True)),
                ("deleted_at", models.DateTimeField(null=True)),
                ("retry_at", models.DateTimeField(null=True)),
                ("sending_until", models.DateTimeField(null=True)),
                ("sending_by", models.TextField(blank=True, default="")),
                (
                    "changed_by",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="fleet.actor"
                    ),
                ),
                (
                    "escalate_to",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="fleet.noticerule"
                    ),
                ),
                (
                    "secret",
                    models.OneToOneField(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="fleet.secret"
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="fleet.site"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("why", models.TextField()),
                ("state", models.TextField(default="waiting")),
                ("held", models.BooleanField(default=False)),
                ("delivery", models.UUIDField(null=True)),
                ("subject", models.TextField(blank=True, default="")),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                ("made_at", models.DateTimeField(auto_now_add=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("error", models.TextField(blank=True, default="")),
                (
                    "finding",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notices",
                        to="fleet.finding",
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notices",
                        to="fleet.noticerule",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="noticerule",
            constraint=models.CheckConstraint(
                condition=models.Q(("severity__in", ["info", "warning", "critical"])), name="rule_severity"
            ),
        ),
        migrations.AddConstraint(
            model_name="noticerule",
            constraint=models.CheckConstraint(
                condition=models.Q(("channel__in", ["mail", "webhook", "chat"])), name="rule_channel"
            ),
        ),
        migrations.AddConstraint(
            model_name="noticerule",
            constraint=models.UniqueConstraint(
                condition=models.Q(("deleted_at__isnull", True)), fields=("name",), name="rule_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="noticerule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("quiet_from__isnull", True), ("quiet_until__isnull", True)),
                    models.Q(("quiet_from__isnull", False), ("quiet_until__isnull", False)),
                    _connector="OR",
                ),
                name="rule_quiet_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="noticerule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("escalate_after_min__isnull", True), ("escalate_to__isnull", True)),
                    models.Q(("escalate_after_min__isnull", False), ("escalate_to__isnull", False)),
                    _connector="OR",
                ),
                name="rule_escalates_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="noticerule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("escalate_to__isnull", True),
                    models.Q(("escalate_to", models.F("id")), _negated=True),
                    _connector="OR",
                ),
                name="rule_not_to_itself",
            ),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(condition=models.Q(("state", "waiting")), fields=["rule", "id"], name="notice_waiting"),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(fields=["rule", "-id"], name="notice_rule"),
        ),
        migrations.AddConstraint(
            model_name="notice",
            constraint=models.CheckConstraint(
                condition=models.Q(("why__in", ["opened", "escalated", "closed", "test"])), name="notice_why"
            ),
        ),
        migrations.AddConstraint(
            model_name="notice",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["waiting", "sent", "failed", "dropped"])), name="notice_state"
            ),
        ),
        migrations.AddConstraint(
            model_name="notice",
            constraint=models.UniqueConstraint(fields=("finding", "rule", "why"), name="notice_once"),
        ),
        migrations.AddConstraint(
            model_name="notice",
            constraint=models.CheckConstraint(
                condition=models.Q(("why", "test"), ("finding__isnull", False), _connector="OR"),
                name="notice_of_something",
            ),
        ),
        migrations.RunSQL([INDEXES], UNDO),
    ]
