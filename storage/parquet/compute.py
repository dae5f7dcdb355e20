"""Arrow's functions. pyarrow makes them when it is imported, so type checkers know none of them by name."""

from typing import Any

import pyarrow.compute

pc: Any = pyarrow.compute
