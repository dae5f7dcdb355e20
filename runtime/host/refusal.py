"""What is answered while a runtime cannot run."""

import logging

from greenroom.runtime.contracts.errors import GreenroomError, RuntimeUnavailable

log = logging.getLogger("greenroom.host")


def refusal_for(error: Exception) -> GreenroomError:
    """Return what is answered while the store cannot be taken up for this reason, and log it."""
    if isinstance(error, GreenroomError):
        log.error("the store cannot be opened: %s", error)
        return error
    log.error("the runtime cannot recover", exc_info=error)
    return RuntimeUnavailable(f"the runtime cannot recover: {error!r}; its log tells more")
