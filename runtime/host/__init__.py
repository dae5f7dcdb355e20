"""The runtime itself: command, decision, durable append, effects. Runs inside the runtime actor or in a test."""
