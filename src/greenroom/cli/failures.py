"""How a command fails: one clear line on stderr, and an exit code."""

from enum import IntEnum

from greenroom.runtime.contracts.errors import ConfigError, GreenroomError, InvalidInput, RuntimeUnavailable


class ExitCode(IntEnum):
    """The exit codes of every command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNAVAILABLE = 3


class UsageError(GreenroomError):
    """The command line asks for something that cannot be; the message says how to put it."""

    code = "usage"
    http_status = 400


class CommandFailed(GreenroomError):
    """A command did not do what it is for; the message says why."""

    code = "command_failed"


def exit_code_of(error: BaseException) -> ExitCode:
    """Return the exit code that an error means."""
    match error:
        case UsageError() | ConfigError() | InvalidInput():
            return ExitCode.USAGE
        case RuntimeUnavailable():
            return ExitCode.UNAVAILABLE
        case _:
            return ExitCode.FAILED


def line_of(error: BaseException) -> str:
    """Return what a person is told about an error: one line."""
    if isinstance(error, GreenroomError):
        return " ".join(error.message.split())
    message = " ".join(str(error).split())
    if isinstance(error, OSError) and message:
        return message
    return f"unexpected {type(error).__name__}: {message} (--debug shows where)"


def json_of(error: BaseException) -> dict[str, object]:
    """Return what a machine is told about an error."""
    if isinstance(error, GreenroomError):
        return {"error": error.to_json()}
    return {"error": {"code": "unexpected", "message": line_of(error), "retryable": False, "facts": {}}}
