"""A body: one callable of a bundle with what a worker must know to run it.

The app's code table maps a `CodeKey` to a body. Client and worker build the same table from the same app, so a key
found in a plan is always found in the table of its bundle.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """One callable.

    Attributes:
        key: Its code key.
        function: The user's function, or for a stateful tool the class.
        takes_context: Whether it has a second parameter for the context (for a tool: a parameter annotated with a
            context, named `context_parameter`).
        is_async: Whether calling it gives an awaitable.
        expands: The value is a JSON object whose fields are the function's keyword arguments (tools).
        input_type: Type to validate the value into (a model, a list of models …); None hands over JSON.
            For an expanding body: type by parameter name.
        output_type: Type to validate what it returns; None takes it as it is.
        run_input_type: Type of the workflow's input, for `ctx.input`; None gives JSON.
        resume_type: Type of resume data; None gives JSON.
        suspend_type: Type of suspend payloads.
        retry_on: Exceptions that may be repeated; None means every `Exception`.
        is_stateful: The function is a class with `setup`, `teardown` and `__call__`.
        validate: False turns validation of input and output off.
    """

    key: str
    function: Callable[..., Any]
    takes_context: bool = False
    context_parameter: str | None = None
    is_async: bool = False
    expands: bool = False
    input_type: Any = None
    output_type: Any = None
    run_input_type: Any = None
    resume_type: Any = None
    suspend_type: Any = None
    retry_on: tuple[type[BaseException], ...] | None = None
    is_stateful: bool = False
    validate: bool = True
