"""The boot service (boot.md): how a machine comes to its orders, and how we know that it is that machine."""
