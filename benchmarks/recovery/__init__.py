"""How long from kill -9 to the next durable step. `python -m benchmarks.recovery` runs it."""
