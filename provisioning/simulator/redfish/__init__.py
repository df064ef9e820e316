"""The BMC's Redfish tree: `serve` answers requests, one module a branch fills the routes."""
