"""How a bundle's code reaches the processes that execute it.

By import path for applications; by value for notebooks. What was given by value is kept in Ray's internal key-value
store for as long as the cluster lives, so that a restarted runtime can start more workers; it never enters the store.
"""

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec
from ray.experimental import internal_kv

from greenroom.runtime.contracts.errors import DefinitionError
from greenroom.runtime.contracts.plan import BundleSource
from greenroom.runtime.contracts.ports import BundleUnavailable
from greenroom.runtime.definitions.body import Body
from greenroom.runtime.definitions.bundle import load_app

_NAMESPACE: Final = b"greenroom"
_PREFIX: Final = "bundle:"
MAX_LOADED: Final = 8


# Ray offers no public way to its key-value store; the libraries it ships use these names.
_put: Any = internal_kv._internal_kv_put  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
_get: Any = internal_kv._internal_kv_get  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]


async def keep_source(bundle: str, source: BundleSource) -> None:
    """Keep where a bundle's code comes from, for later workers and later runtimes."""
    data = msgspec.msgpack.encode(source)
    await asyncio.to_thread(_put, _key(bundle), data, overwrite=True, namespace=_NAMESPACE)


def find_source(bundle: str) -> BundleSource | None:
    """Return where a bundle's code comes from, or None if this cluster was never told."""
    data = _get(_key(bundle), namespace=_NAMESPACE)
    return None if data is None else msgspec.msgpack.decode(data, type=BundleSource)


@lru_cache(maxsize=MAX_LOADED)
def load_code(bundle: str) -> Mapping[str, Body]:
    """Return the code table of a bundle that this cluster was told of; loaded once per process.

    Raises:
        BundleUnavailable: Its code cannot be loaded, or is another version by now; the message says so.
    """
    source = find_source(bundle)
    if source is None:
        raise BundleUnavailable(
            f"Nobody has told this cluster where the code of bundle {bundle} is; connect with its app again."
        )
    named = source.target or "the app given by value"
    try:
        app = load_app(source)
    except DefinitionError as error:
        raise BundleUnavailable(error.message) from None
    except BaseException as error:  # noqa: BLE001 - loading runs user code: whatever it does, the worker tells it as a value
        raise BundleUnavailable(f"{named} cannot be loaded: {type(error).__name__}: {error}") from None
    if app.plan.id != bundle:
        raise BundleUnavailable(
            f"{named} is bundle {app.plan.id} by now, not {bundle}: its definitions were changed. Restore them, or "
            "move the runs that wait to the new bundle."
        )
    return app.code


def _key(bundle: str) -> bytes:
    return f"{_PREFIX}{bundle}".encode()
