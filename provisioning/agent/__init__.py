"""The agent on an installed host: facts and tests over HTTP."""
