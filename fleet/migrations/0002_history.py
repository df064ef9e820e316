"""Triggers that make transitions the only way to a state; partitions for evidence; what else the feed tells."""

from pathlib import Path

from django.db import migrations

HERE = Path(__file__).parent

# xid: the feed serves rows below the oldest running transaction only (architecture.md, feeds); a column that no model
# writes. The application's role loses what it must never do to a transition; the triggers refuse it for everybody.
TABLES = """
ALTER TABLE fleet_transition ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX transition_feed ON fleet_transition (xid, id);
CREATE INDEX transition_subject_at ON fleet_transition (subject_kind, subject_id, at);
ALTER TABLE fleet_transition ALTER COLUMN at DROP NOT NULL, ALTER COLUMN seq DROP NOT NULL,
  ALTER COLUMN prev DROP NOT NULL, ALTER COLUMN hash DROP NOT NULL;
DO $$ BEGIN
  IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'muster_app') THEN
    REVOKE UPDATE, DELETE, TRUNCATE ON fleet_transition FROM muster_app;
    REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON fleet_lifecyclesubject, fleet_lifecycleedge FROM muster_app;
  END IF;
END $$;
INSERT INTO fleet_lifecyclesubject (kind, table_name, chained) VALUES
  ('host', 'fleet_device', true), ('switch', 'fleet_device', true), ('cable', 'fleet_cable', true);
SELECT muster_subject('fleet_device', ''), muster_subject('fleet_cable', 'cable');
"""

UNDO = """
DROP TRIGGER subject_insert ON fleet_device; DROP TRIGGER subject_update ON fleet_device;
DROP TRIGGER subject_delete ON fleet_device; DROP TRIGGER subject_truncate ON fleet_device;
DROP TRIGGER subject_check ON fleet_device; DROP TRIGGER subject_fixed ON fleet_device;
DROP TRIGGER subject_insert ON fleet_cable; DROP TRIGGER subject_update ON fleet_cable;
DROP TRIGGER subject_delete ON fleet_cable; DROP TRIGGER subject_truncate ON fleet_cable;
DROP TRIGGER subject_check ON fleet_cable; DROP TRIGGER subject_fixed ON fleet_cable;
DELETE FROM fleet_lifecyclesubject WHERE kind IN ('host', 'switch', 'cable');
DROP INDEX transition_feed; DROP INDEX transition_subject_at;
ALTER TABLE fleet_transition DROP COLUMN xid;
"""

UNDO_TRIGGERS = """
DROP TRIGGER transition_insert ON fleet_transition; DROP TRIGGER transition_fixed ON fleet_transition;
DROP TRIGGER transition_kept ON fleet_transition; DROP TRIGGER actor_fixed ON fleet_actor;
DROP TRIGGER lifecyclesubject_kept ON fleet_lifecyclesubject;
DROP FUNCTION muster_subject(regclass, text); DROP FUNCTION muster_subject_check(); DROP FUNCTION muster_subject_delete();
DROP FUNCTION muster_subject_fixed(); DROP FUNCTION muster_subject_update(); DROP FUNCTION muster_subject_insert(); DROP FUNCTION muster_append_only();
DROP FUNCTION muster_transition();
"""

UNDO_EVENTS = """
DROP TRIGGER event_opened ON fleet_finding; DROP TRIGGER event_changed ON fleet_finding;
DROP TRIGGER event_placed ON fleet_hold; DROP TRIGGER event_lifted ON fleet_hold;
DROP TRIGGER event_moved ON fleet_partmove; DROP TRIGGER event_loaded ON fleet_planversion;
DROP TRIGGER event_asked ON fleet_review; DROP TRIGGER event_confirmed ON fleet_review;
DROP TRIGGER event_made ON fleet_token; DROP TRIGGER event_revoked ON fleet_token;
DROP FUNCTION muster_event_finding(); DROP FUNCTION muster_event_hold(); DROP FUNCTION muster_event_part();
DROP FUNCTION muster_event_plan(); DROP FUNCTION muster_event_act(); DROP FUNCTION muster_event_new_act(); DROP FUNCTION muster_event_token();
DROP TABLE fleet_event;
"""

UNDO_PARTITIONS = "DROP TABLE fleet_evidence; DROP FUNCTION muster_partitions(text, int);"


class Migration(migrations.Migration):
    dependencies = [("fleet", "0001_initial")]
    operations = [
        migrations.RunSQL([(HERE / "triggers.sql").read_text()], UNDO_TRIGGERS),
        migrations.RunSQL([(HERE / "partitions.sql").read_text()], UNDO_PARTITIONS),
        migrations.RunSQL([TABLES], UNDO),
        migrations.RunSQL([(HERE / "events.sql").read_text()], UNDO_EVENTS),
    ]
