"""The BMC itself: clock, restart, attributes, logs, lifecycle services, console."""
