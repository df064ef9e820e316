-- What happens beside transitions, for the feed (docs/decisions/0010). A table's own trigger writes it, in the
-- transaction of the change; one statement a statement, however many rows. Ids come from the sequence of transitions:
-- the two together have one order.
CREATE TABLE fleet_event (
  id bigint PRIMARY KEY DEFAULT nextval('fleet_transition_id_seq'),
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  kind text NOT NULL,
  subject_kind text NOT NULL,
  subject_id bigint NOT NULL,
  device_id bigint,
  actor_id bigint,
  words text NOT NULL,
  data jsonb NOT NULL
);
CREATE INDEX event_feed ON fleet_event (xid, id);
CREATE TRIGGER event_fixed BEFORE UPDATE OR DELETE ON fleet_event FOR EACH ROW EXECUTE FUNCTION muster_append_only();
CREATE TRIGGER event_kept BEFORE TRUNCATE ON fleet_event FOR EACH STATEMENT EXECUTE FUNCTION muster_append_only();

CREATE FUNCTION muster_event_finding() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO fleet_event (kind, subject_kind, subject_id, device_id, words, data)
    SELECT 'finding_opened', 'finding', n.id, n.device_id, n.words,
      jsonb_build_object('domain', n.domain, 'kind', n.kind, 'severity', n.severity, 'stable_id', n.stable_id)
    FROM new_rows n ORDER BY n.id;
    INSERT INTO fleet_event (kind, subject_kind, subject_id, device_id, actor_id, words, data)
    SELECT 'finding_closed', 'finding', n.id, n.device_id, n.closed_by_id, n.closed_words, jsonb_build_object('kind', n.kind)
    FROM new_rows n WHERE n.closed_at IS NOT NULL ORDER BY n.id;
  ELSE
    INSERT INTO fleet_event (kind, subject_kind, subject_id, device_id, actor_id, words, data)
    SELECT 'finding_acknowledged', 'finding', n.id, n.device_id, n.acknowledged_by_id, n.acknowledged_words,
      jsonb_build_object('kind', n.kind)
    FROM new_rows n JOIN old_rows o USING (id)
    WHERE n.acknowledged_at IS NOT NULL AND o.acknowledged_at IS NULL ORDER BY n.id;
    INSERT INTO fleet_event (kind, subject_kind, subject_id, device_id, actor_id, words, data)
    SELECT 'finding_closed', 'finding', n.id, n.device_id, n.closed_by_id, n.closed_words, jsonb_build_object('kind', n.kind)
    FROM new_rows n JOIN old_rows o USING (id) WHERE n.closed_at IS NOT NULL AND o.closed_at IS NULL ORDER BY n.id;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER event_opened AFTER INSERT ON fleet_finding REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION muster_event_finding();
CREATE TRIGGER event_changed AFTER UPDATE ON fleet_finding REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION muster_event_finding();

CREATE FUNCTION muster_event_hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO fleet_event (kind, subject_kind, subject_id, device_id, actor_id, words, data)
    SELECT 'hold_placed', 'hold', n.id, n.device_id, n.actor_id, n.reason, jsonb_build_object('kind', n.kind)
    FROM new_rows n ORDER BY n.id;
  ELSE
    INSERT INTO fleet_event (kind, subject_kind, subject_id, device_id, actor_id, words, data)
    SELECT 'hold_lifted', 'hold', n.id, n.device_id, n.ended_by_id, n.reason, jsonb_build_object('kind', n.kind)
    FROM new_rows n JOIN old_rows o USING (id) WHERE n.ended_at IS NOT NULL AND o.ended_at IS NULL ORDER BY n.id;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER event_placed AFTER INSERT ON fleet_hold REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION muster_event_hold();
CREATE TRIGGER event_lifted AFTER UPDATE ON fleet_hold REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION muster_event_hold();

CREATE FUNCTION muster_event_part() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO fleet_event (kind, subject_kind, subject_id, device_id, actor_id, words, data)
  SELECT 'part_moved', 'part', n.part_id, coalesce(n.to_device_id, n.from_device_id), n.actor_id, n.reason,
    jsonb_build_object('kind', p.kind, 'serial', p.serial, 'from_device', n.from_device_id, 'from_slot', n.from_slot,
      'to_device', n.to_device_id, 'to_slot', n.to_slot)
  FROM new_rows n JOIN fleet_part p ON p.id = n.part_id ORDER BY n.id;
  RETURN NULL;
END $$;
CREATE TRIGGER event_moved AFTER INSERT ON fleet_partmove REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION muster_event_part();

CREATE FUNCTION muster_event_plan() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO fleet_event (kind, subject_kind, subject_id, actor_id, words, data)
  SELECT 'plan_loaded', 'plan', n.id, n.actor_id, n.reason, jsonb_build_object('sha256', n.sha256) FROM new_rows n ORDER BY n.id;
  RETURN NULL;
END $$;
CREATE TRIGGER event_loaded AFTER INSERT ON fleet_planversion REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION muster_event_plan();

-- Of reviews only those that need a second person; what the others did shows in what it did.
CREATE FUNCTION muster_event_act() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO fleet_event (kind, subject_kind, subject_id, actor_id, words, data)
  SELECT 'act_asked', 'act', n.id, n.asked_by_id, n.reason, jsonb_build_object('id', n.code, 'act', n.second, 'hosts', to_jsonb(n.hosts))
  FROM new_rows n JOIN old_rows o USING (id)
  WHERE n.second <> '' AND n.asked_at IS NOT NULL AND o.asked_at IS NULL ORDER BY n.id;
  INSERT INTO fleet_event (kind, subject_kind, subject_id, actor_id, words, data)
  SELECT 'act_confirmed', 'act', n.id, n.confirmed_by_id, n.reason, jsonb_build_object('id', n.code, 'act', n.second, 'hosts', to_jsonb(n.hosts))
  FROM new_rows n JOIN old_rows o USING (id)
  WHERE n.second <> '' AND n.confirmed_at IS NOT NULL AND o.confirmed_at IS NULL ORDER BY n.id;
  RETURN NULL;
END $$;
CREATE FUNCTION muster_event_new_act() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO fleet_event (kind, subject_kind, subject_id, actor_id, words, data)
  SELECT 'act_asked', 'act', n.id, n.asked_by_id, n.reason, jsonb_build_object('id', n.code, 'act', n.second, 'hosts', to_jsonb(n.hosts))
  FROM new_rows n WHERE n.second <> '' AND n.asked_at IS NOT NULL ORDER BY n.id;
  RETURN NULL;
END $$;
CREATE TRIGGER event_asked AFTER INSERT ON fleet_review REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION muster_event_new_act();
CREATE TRIGGER event_confirmed AFTER UPDATE ON fleet_review REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION muster_event_act();

CREATE FUNCTION muster_event_token() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO fleet_event (kind, subject_kind, subject_id, actor_id, words, data)
    SELECT 'token_made', 'token', n.id, n.made_by_id, n.name, jsonb_build_object('expires_at', n.expires_at) FROM new_rows n ORDER BY n.id;
  ELSE
    INSERT INTO fleet_event (kind, subject_kind, subject_id, actor_id, words, data)
    SELECT 'token_revoked', 'token', n.id, n.revoked_by_id, n.name, '{}' FROM new_rows n JOIN old_rows o USING (id)
    WHERE n.revoked_at IS NOT NULL AND o.revoked_at IS NULL ORDER BY n.id;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER event_made AFTER INSERT ON fleet_token REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION muster_event_token();
CREATE TRIGGER event_revoked AFTER UPDATE ON fleet_token REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION muster_event_token();
