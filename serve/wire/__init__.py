"""The shapes of the wire as pure functions: what the runtime says in, what clients read out. Nothing here does I/O."""
