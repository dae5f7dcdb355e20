"""What a caller holds: the handles that talk to the runtime, asynchronous and blocking."""
