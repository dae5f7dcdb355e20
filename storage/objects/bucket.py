"""What an `s3://` URL says: which bucket, where it is, and where the journal is. Knows no client and opens nothing."""

from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from greenroom.runtime.contracts.errors import ConfigError

SCHEME: Final = "s3"
FORM: Final = "s3://bucket/prefix?endpoint=https://host&region=…&allow_http=true&journal=/local/folder"

_KNOWN: Final = ("endpoint", "region", "allow_http", "journal", "lost_journal")
_FLAGS: Final = {"true": True, "false": False}


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """Where a store in a bucket is.

    Attributes:
        prefix: Folder in the bucket, without slashes around it; empty for the whole bucket.
        endpoint: Base URL of the service; None for AWS, or what `AWS_ENDPOINT_URL` says.
        region: None for what `AWS_REGION` says.
        allow_http: The endpoint may be without TLS.
        journal: Folder on a local volume that the journal is in; None when it is in the bucket too.
        lost_journal: Id of a journal whose records are given up.
    """

    name: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    allow_http: bool = False
    journal: Path | None = None
    lost_journal: str = ""

    @property
    def url(self) -> str:
        """Where it is, for people: without what only says how to get there."""
        return f"{SCHEME}://{self.name}/{self.prefix}".rstrip("/")

    @classmethod
    def parse(cls, url: str) -> Self:
        """Return what the URL says.

        Raises:
            ConfigError: It names no bucket, or has a parameter that is unknown or wrong.
        """
        parts = urlsplit(url)
        if parts.scheme != SCHEME or not parts.netloc or parts.fragment:
            raise ConfigError(f"storage is {url!r}, which names no bucket; give {FORM}")
        values = _parameters(url, parts.query)
        journal, endpoint = values.get("journal"), values.get("endpoint")
        bucket = cls(
            name=unquote(parts.netloc),
            prefix=unquote(parts.path).strip("/"),
            endpoint=endpoint,
            region=values.get("region"),
            allow_http=_flag(url, values.get("allow_http", "false")),
            journal=None if journal is None else _folder(url, journal),
            lost_journal=values.get("lost_journal", ""),
        )
        if bucket.prefix and {"", ".", ".."} & set(bucket.prefix.split("/")):
            raise ConfigError(
                f"storage is {url!r}, and {bucket.prefix} is no folder in a bucket; leave out //, . and .."
            )
        if endpoint is not None and not endpoint.startswith(("https://", "http://")):
            raise ConfigError(f"storage is {url!r}, and endpoint={endpoint} is no URL; give https://host")
        if endpoint is not None and endpoint.startswith("http://") and not bucket.allow_http:
            raise ConfigError(f"storage is {url!r}, and {endpoint} is not encrypted; add allow_http=true if meant")
        return bucket


def _parameters(url: str, query: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    names = [name for name, _ in pairs]
    if unknown := sorted(set(names) - set(_KNOWN)):
        known = ", ".join(_KNOWN)
        raise ConfigError(f"storage is {url!r}, and {', '.join(unknown)} is no parameter of s3://; there are {known}")
    for name, value in pairs:
        if names.count(name) > 1:
            raise ConfigError(f"storage is {url!r}, which says {name} twice; say it once")
        if not value:
            raise ConfigError(f"storage is {url!r}, and its {name} is empty; give it a value or leave it out")
    return dict(pairs)


def _flag(url: str, value: str) -> bool:
    if value not in _FLAGS:
        raise ConfigError(f"storage is {url!r}, and allow_http={value} is neither true nor false")
    return _FLAGS[value]


def _folder(url: str, value: str) -> Path:
    scheme, separator, rest = value.partition("://")
    path = Path(unquote(rest) if separator else value).expanduser()
    if (separator and scheme != "file") or not path.is_absolute():
        # A relative one would be another folder for each process that opens the store.
        raise ConfigError(
            f"storage is {url!r}, and journal={value} is no local folder; give /absolute or file:///absolute"
        )
    return path
