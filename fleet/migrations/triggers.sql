-- The history's guard (docs/decisions/0004). Every function here raises in words that name the subject.

CREATE FUNCTION muster_transition() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  subject record;
  place record;
  by_role text;
BEGIN
  SELECT table_name, chained INTO place FROM fleet_lifecyclesubject WHERE kind = NEW.subject_kind;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'transition: % is no kind of subject', NEW.subject_kind USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  EXECUTE format('SELECT id, state, seq, head FROM %I WHERE id = $1 FOR UPDATE', place.table_name)
    INTO subject USING NEW.subject_id;
  IF subject.id IS NULL THEN
    RAISE EXCEPTION 'transition: % % does not exist', NEW.subject_kind, NEW.subject_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF subject.state <> NEW.from_state THEN
    RAISE EXCEPTION 'transition: % % is "%" now, not "%"', NEW.subject_kind, NEW.subject_id, subject.state, NEW.from_state
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  SELECT role INTO by_role FROM fleet_actor WHERE id = NEW.actor_id;
  IF NOT EXISTS (SELECT 1 FROM fleet_lifecycleedge e WHERE e.kind = NEW.subject_kind AND e.from_state = NEW.from_state
                 AND e.to_state = NEW.to_state AND e.role = by_role) THEN
    RAISE EXCEPTION 'transition: a % may not go from "%" to "%" by role %', NEW.subject_kind, NEW.from_state, NEW.to_state, by_role
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  NEW.seq := subject.seq + 1;
  NEW.at := clock_timestamp();
  NEW.prev := ''::bytea;
  NEW.hash := ''::bytea;
  IF place.chained THEN
    NEW.prev := subject.head;
    NEW.hash := sha256(NEW.prev || convert_to(jsonb_build_array(NEW.subject_kind, NEW.subject_id, NEW.seq, NEW.from_state,
      NEW.to_state, NEW.cause, NEW.reason, NEW.actor_id, NEW.evidence,
      (extract(epoch FROM NEW.at) * 1000000)::bigint)::text, 'UTF8'));
  END IF;
  EXECUTE format('UPDATE %I SET state = $1, seq = $2, head = $3, state_since = $4 WHERE id = $5', place.table_name)
    USING NEW.to_state, NEW.seq, NEW.hash, NEW.at, NEW.subject_id;
  RETURN NEW;
END $$;

CREATE TRIGGER transition_insert BEFORE INSERT ON fleet_transition FOR EACH ROW EXECUTE FUNCTION muster_transition();

CREATE FUNCTION muster_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER transition_fixed BEFORE UPDATE OR DELETE ON fleet_transition FOR EACH ROW EXECUTE FUNCTION muster_append_only();
CREATE TRIGGER transition_kept BEFORE TRUNCATE ON fleet_transition FOR EACH STATEMENT EXECUTE FUNCTION muster_append_only();
CREATE TRIGGER actor_fixed BEFORE UPDATE OR DELETE ON fleet_actor FOR EACH ROW EXECUTE FUNCTION muster_append_only();

-- A subject is born without a state; its first transition gives it one.
CREATE FUNCTION muster_subject_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.state <> '' OR NEW.seq <> 0 OR NEW.head <> ''::bytea THEN
    RAISE EXCEPTION '%: a new row has no state yet ("%"); insert a transition from "" to it', TG_TABLE_NAME, NEW.state
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;

-- The transition's own trigger is the only one that may write these columns: it runs one level deeper than a statement.
CREATE FUNCTION muster_subject_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF pg_trigger_depth() < 2 OR NEW.seq <> OLD.seq + 1 OR NEW.id <> OLD.id THEN
    RAISE EXCEPTION '% %: state, seq and head change only by inserting a transition ("%" to "%" refused)',
      TG_TABLE_NAME, OLD.id, OLD.state, NEW.state USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;

-- Its history names it by its number and, where a table has several, by its kind: with another one it would take edges
-- that are not its own.
CREATE FUNCTION muster_subject_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% %: its number and its kind stand in its history and never change', TG_TABLE_NAME, OLD.id
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION muster_subject_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.seq > 0 THEN
    RAISE EXCEPTION '% % has a history of % transitions: retire it, nothing with a history is deleted',
      TG_TABLE_NAME, OLD.id, OLD.seq USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN OLD;
END $$;

CREATE TRIGGER lifecyclesubject_kept BEFORE TRUNCATE ON fleet_lifecyclesubject
  FOR EACH STATEMENT EXECUTE FUNCTION muster_append_only();

-- At commit: whatever wrote this row, a transition with this number, state and hash stands behind it.
-- Argument: the kind of subject, or '' where the table has a column "kind".
CREATE FUNCTION muster_subject_check() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  of_kind text := TG_ARGV[0];
BEGIN
  IF of_kind = '' THEN
    of_kind := NEW.kind;
  END IF;
  IF NEW.seq = 0 THEN
    IF NOT EXISTS (SELECT 1 FROM fleet_transition t WHERE t.subject_kind = of_kind AND t.subject_id = NEW.id AND t.seq = 1) THEN
      RAISE EXCEPTION '% %: no transition gave it a state', TG_TABLE_NAME, NEW.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
  ELSIF NOT EXISTS (SELECT 1 FROM fleet_transition t WHERE t.subject_kind = of_kind AND t.subject_id = NEW.id
                    AND t.seq = NEW.seq AND t.to_state = NEW.state AND t.hash = NEW.head) THEN
    RAISE EXCEPTION '% %: state "%" number % has no transition', TG_TABLE_NAME, NEW.id, NEW.state, NEW.seq
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION muster_subject(place regclass, argument text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER subject_insert BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION muster_subject_insert()', place);
  EXECUTE format('CREATE TRIGGER subject_update BEFORE UPDATE OF state, seq, head, state_since ON %s '
    'FOR EACH ROW EXECUTE FUNCTION muster_subject_update()', place);
  EXECUTE format('CREATE TRIGGER subject_fixed BEFORE UPDATE ON %s FOR EACH ROW WHEN (NEW.id <> OLD.id%s) '
    'EXECUTE FUNCTION muster_subject_fixed()', place, CASE argument WHEN '' THEN ' OR NEW.kind <> OLD.kind' ELSE '' END);
  EXECUTE format('CREATE TRIGGER subject_delete BEFORE DELETE ON %s FOR EACH ROW EXECUTE FUNCTION muster_subject_delete()', place);
  EXECUTE format('CREATE TRIGGER subject_truncate BEFORE TRUNCATE ON %s '
    'FOR EACH STATEMENT EXECUTE FUNCTION muster_append_only()', place);
  EXECUTE format('CREATE CONSTRAINT TRIGGER subject_check AFTER INSERT OR UPDATE OF state, seq, head ON %s '
    'DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION muster_subject_check(%L)', place, argument);
END $$;
