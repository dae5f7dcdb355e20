"""The one tree of errors. Every one has a code, an HTTP status, `retryable` and facts, and survives pickling.

GreenroomError
├── DefinitionError 400          DuplicateName · UnknownStep · InvalidGraph
├── ConfigError 400
├── RequestError 400             RunNotFound 404 · NotFound 404 · InvalidInput 400 · RunNotSuspended 409 ·
│                                AmbiguousResume 409 · AlreadyClaimed 409 · RunFinished 409 · RunStillRunning 409
├── AuthError 401 · ForbiddenError 403 · CreditError 402 · RateLimited 429
├── StepError 500                ToolFailed · StepTimeout · WorkerDied · ModelError · InDoubt
├── RunCanceled 409
├── StorageError 500             StorageCorrupt · StorageFull 507 · Fenced 503
└── RuntimeUnavailable 503

A message says what failed, which thing, what was found and what to do. Facts are JSON.
"""

from typing import Any, ClassVar, Self


class GreenroomError(Exception):
    """Base of all errors of this library.

    Args:
        message: One sentence or two for a person.
        facts: JSON details for programs, such as the fields that were wrong.
    """

    code: ClassVar[str] = "greenroom_error"
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, facts: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.facts: dict[str, Any] = facts or {}

    def __reduce__(self) -> tuple[type[Self], tuple[str, dict[str, Any]]]:
        """Pickle by message and facts: Ray loses the type of exceptions that need keywords."""
        return type(self), (self.message, self.facts)

    def to_json(self) -> dict[str, Any]:
        """Return the form that crosses actors and HTTP."""
        return {"code": self.code, "message": self.message, "retryable": self.retryable, "facts": self.facts}


class DefinitionError(GreenroomError):
    """A workflow, agent, tool or app is not well formed."""

    code = "definition_error"
    http_status = 400


class DuplicateName(DefinitionError):
    """Two definitions or two steps of one scope have the same name."""

    code = "duplicate_name"


class UnknownStep(DefinitionError):
    """A reference names a step, tool, agent or workflow that does not exist."""

    code = "unknown_step"


class InvalidGraph(DefinitionError):
    """A workflow's graph has a part that cannot run."""

    code = "invalid_graph"


class ConfigError(GreenroomError):
    """A configuration file, variable or argument has a wrong value or an unknown key."""

    code = "config_error"
    http_status = 400


class RequestError(GreenroomError):
    """A request cannot be carried out as it stands; sending it again changes nothing."""

    code = "request_error"
    http_status = 400


class NotFound(RequestError):
    """A workflow, agent, tool, thread or step that was asked for does not exist."""

    code = "not_found"
    http_status = 404


class RunNotFound(NotFound):
    """No run has this id in this workspace."""

    code = "run_not_found"


class InvalidInput(RequestError):
    """Input, resume data or a signal's payload does not fit its schema; `facts["issues"]` lists every field."""

    code = "invalid_input"


class RunNotSuspended(RequestError):
    """The run, or the step that was named, does not wait for a resume."""

    code = "run_not_suspended"
    http_status = 409


class AmbiguousResume(RequestError):
    """Several steps wait and none was named; `facts["candidates"]` lists them."""

    code = "ambiguous_resume"
    http_status = 409


class AlreadyClaimed(RequestError):
    """Somebody else's start or resume took this key or this suspension first."""

    code = "already_claimed"
    http_status = 409


class RunFinished(RequestError):
    """The run has ended; nothing can be resumed or sent to it."""

    code = "run_finished"
    http_status = 409


class RunStillRunning(RequestError):
    """The run is moving; what was asked needs one that has stopped."""

    code = "run_still_running"
    http_status = 409


class AuthError(GreenroomError):
    """No valid credential was given."""

    code = "unauthorized"
    http_status = 401


class ForbiddenError(GreenroomError):
    """The credential does not allow this."""

    code = "forbidden"
    http_status = 403


class CreditError(GreenroomError):
    """The workspace's credit does not cover the call."""

    code = "credit_exhausted"
    http_status = 402


class RateLimited(GreenroomError):
    """Too many requests; `facts["retry_after_s"]` says when to come back."""

    code = "rate_limited"
    http_status = 429
    retryable = True


class StepError(GreenroomError):
    """A step failed for a reason that is not an exception of its body."""

    code = "step_error"


class ToolFailed(StepError):
    """A tool raised after its retries."""

    code = "tool_failed"


class StepTimeout(StepError):
    """A step, a signal or a run did not end within its `timeout_s`."""

    code = "step_timeout"
    retryable = True


class WorkerDied(StepError):
    """The worker died under this step too many times."""

    code = "worker_died"


class ModelError(StepError):
    """The model's endpoint failed after all retries and fallbacks."""

    code = "model_error"
    retryable = True


class InDoubt(StepError):
    """An `effect="once"` attempt was interrupted and nobody knows whether it took effect."""

    code = "in_doubt"


class RunCanceled(GreenroomError):
    """The run was canceled."""

    code = "run_canceled"
    http_status = 409


class StorageError(GreenroomError):
    """The store failed."""

    code = "storage_error"


class StorageCorrupt(StorageError):
    """Stored bytes are damaged; `facts` name the file and the offset."""

    code = "storage_corrupt"


class StorageFull(StorageError):
    """No space is left; nothing acknowledged was lost, writing goes on when there is space."""

    code = "storage_full"
    http_status = 507
    retryable = True


class Fenced(StorageError):
    """A newer owner has taken the store or the run; this one must stop."""

    code = "fenced"
    http_status = 503


class RuntimeUnavailable(GreenroomError):
    """The runtime cannot be reached now; `facts["retry_after_s"]` says when to come back."""

    code = "runtime_unavailable"
    http_status = 503
    retryable = True


def all_errors() -> list[type[GreenroomError]]:
    """Return every class of the tree, parents first."""
    found: list[type[GreenroomError]] = [GreenroomError]
    for error in found:
        found.extend(error.__subclasses__())
    return found


_BY_CODE: dict[str, type[GreenroomError]] = {}


def error_from_json(data: dict[str, Any]) -> GreenroomError:
    """Return the error that `to_json` described, of its own class where the code is known."""
    if not _BY_CODE:
        _BY_CODE.update({error.code: error for error in all_errors()})
    kind = _BY_CODE.get(str(data.get("code")), GreenroomError)
    return kind(str(data.get("message", "")), dict(data.get("facts") or {}))
