"""The code table of an app while it is being built: bodies under readable keys that are the same in every process."""

from collections.abc import Callable
from typing import Any

from greenroom.runtime.contracts.errors import DuplicateName
from greenroom.runtime.definitions.body import Body
from greenroom.runtime.definitions.invoke import return_value
from greenroom.runtime.definitions.options import ExecutionOptions
from greenroom.runtime.definitions.registry import AnyStep, AnyTool
from greenroom.runtime.definitions.schema import has_validators, type_of
from greenroom.runtime.definitions.signature import Signature, is_async, read_signature


class CodeBook:
    """Collects bodies; every method returns the key under which the plan names the body."""

    def __init__(self) -> None:
        self.bodies: dict[str, Body] = {}

    def add_function(
        self,
        key: str,
        function: Callable[..., Any],
        title: str,
        *,
        run_input: Any = None,
        context_only: bool = False,
        validate: bool = True,
    ) -> Signature:
        """Add a condition, map, callback or the like under a key; returns what was read of it."""
        found = read_signature(function, title, context_only=context_only)
        body = Body(
            key=key,
            function=function,
            title=title,
            takes_value=found.takes_value,
            takes_context=found.takes_context,
            context_parameter=found.context_parameter,
            is_async=found.is_async,
            input_type=found.input_type,
            output_type=found.output_type,
            run_input_type=type_of(run_input),
            validate=validate,
        )
        self._put(body)
        return found

    def add_step(self, key: str, step: AnyStep, name: str, *, run_input: Any, validate: bool) -> Signature:
        """Add a step's function, with its `reconcile` and the check of its resume data beside it."""
        title = f"step {name!r}"
        found = read_signature(step.function, title)
        self._put(
            Body(
                key=key,
                function=step.function,
                title=title,
                takes_value=found.takes_value,
                takes_context=found.takes_context,
                context_parameter=found.context_parameter,
                is_async=found.is_async,
                input_type=found.input_type,
                output_type=found.output_type,
                run_input_type=type_of(run_input),
                resume_type=type_of(step.resume),
                suspend_type=type_of(step.suspend),
                retry_on=step.options.retry_on,
                validate=validate,
            )
        )
        self.add_check(f"{key}.resume", step.resume, f"resume data of {title}")
        return found

    def add_tool(self, key: str, tool: AnyTool) -> None:
        """Add a tool's function or class, with its `reconcile` beside it."""
        parameter = tool.context_parameter
        self._put(
            Body(
                key=key,
                function=tool.function,
                title=f"tool {tool.id!r}",
                takes_context=parameter is not None,
                context_parameter=parameter,
                is_async=is_async(tool.target),
                expands=True,
                input_type=tool.arguments,
                output_type=tool.output,
                retry_on=tool.options.retry_on,
                is_stateful=tool.is_stateful,
                validate=tool.options.data.validate,
            )
        )

    def add_reconcile(self, key: str, options: ExecutionOptions, title: str) -> str | None:
        """Add the hook that tells whether an interrupted attempt took effect, if there is one."""
        if options.reconcile is None:
            return None
        self.add_function(f"{key}.reconcile", options.reconcile, f"reconcile of {title}")
        return f"{key}.reconcile"

    def add_check(self, key: str, declared: Any, title: str) -> str | None:
        """Add a check by a type's own validators; None if it has none, so that its schema says it all."""
        if not has_validators(declared):
            return None
        self._put(Body(key=key, function=return_value, title=title, input_type=declared))
        return key

    def _put(self, body: Body) -> None:
        if body.key in self.bodies:  # ids may hold dots, so two keys could be spelt alike
            raise DuplicateName(
                f"{body.title} has the code key {body.key!r} of something else; rename it", {"key": body.key}
            )
        self.bodies[body.key] = body
