"""The operations engine: one mechanism for everything that takes longer than a request (engine.md)."""
