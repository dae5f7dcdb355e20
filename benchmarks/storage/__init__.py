"""What the file store costs beside SQLite and LangGraph's saver: see `python -m benchmarks.storage --help`."""
