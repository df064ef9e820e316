"""Long runs with real peers: `make e2e`."""
