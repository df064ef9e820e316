"""The order in which everybody locks (decision 5): operations by their host and id, then hosts by id."""

OPERATIONS_FOR_UPDATE = "SELECT id FROM provisioning_operation WHERE id = ANY(%s) ORDER BY device_id, id FOR UPDATE"
DEVICES_FOR_UPDATE = "SELECT id FROM fleet_device WHERE id = ANY(%s) ORDER BY id FOR UPDATE"
