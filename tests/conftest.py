"""What every test shares: an environment in which Ray starts plain workers."""

import os

# Read when Ray is imported: a `uv run pytest` would otherwise start every worker through `uv run` again.
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
