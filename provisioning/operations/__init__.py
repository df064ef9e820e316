"""Kinds of operations: one module a kind, a table of steps at its end."""
