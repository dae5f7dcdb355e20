"""Keys of the request context that are never stored."""

from greenroom.runtime.contracts.values import Json


class SecretKeys:
    """Tells what of a request context may be stored.

    >>> keys = SecretKeys(frozenset({"token"}))
    >>> keys.public({"token": 1, "user": 2}), keys.secret({"token": 1, "user": 2})
    ({'user': 2}, {'token': 1})
    """

    def __init__(self, keys: frozenset[str]) -> None:
        self._keys = keys

    def public(self, context: dict[str, Json]) -> dict[str, Json]:
        """Return what may be stored."""
        return {key: value for key, value in context.items() if key not in self._keys}

    def secret(self, context: dict[str, Json]) -> dict[str, Json]:
        """Return what is kept in memory only."""
        return {key: value for key, value in context.items() if key in self._keys}
