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
        title: How messages call it, such as `step 'outline'`.
        function: The user's function, or for a stateful tool the class.
        takes_value: Whether it has a parameter for the value.
        takes_context: Whether it has a parameter for the context.
        context_parameter: Name to pass the context by; None passes it by position, after the value.
        is_async: Whether calling it gives an awaitable.
        expands: The value is a JSON object whose fields are the function's keyword arguments (tools).
        input_type: Type to validate the value into (a model, a list of models …); None hands over JSON.
            For an expanding body: a model whose fields are the function's parameters.
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
    title: str = ""
    takes_value: bool = True
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
