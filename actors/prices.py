"""What a model call costs, in integer micros. Prices are micros per million tokens."""

from typing import Final, TypeAlias

from greenroom.runtime.contracts.entries import Usage
from greenroom.runtime.contracts.values import Json

Price: TypeAlias = dict[str, int]
"""`input`, `output` and `cached` (input tokens the provider had cached), in micros per million tokens."""

ANY_MODEL: Final = "*"
TOKENS_PER_PRICE: Final = 1_000_000

DEFAULT_PRICES: Final[dict[str, Price]] = {
    # Rehearsal costs nothing; a price like that of a small model makes ledgers and budgets show something.
    "rehearsal": {"input": 150_000, "output": 600_000, "cached": 75_000},
}


def find_price(provider: str, model: str, configured: Json) -> Price | None:
    """Return the price of a model, or None if nobody said one.

    Args:
        configured: The provider's `prices`: one price, or prices by model name with `*` for all others.

    >>> find_price("acme", "small", {"small": {"input": 1}, "*": {"input": 2}})
    {'input': 1}
    """
    if isinstance(configured, dict) and configured:
        if isinstance(configured.get("input", configured.get("output")), int | float):
            return dict(configured)
        found = configured.get(model, configured.get(ANY_MODEL))
        if isinstance(found, dict):
            return dict(found)
    return DEFAULT_PRICES.get(provider)


def cost_micros(usage: Usage, price: Price | None) -> int:
    """Return what these tokens cost, rounded up to a whole micro.

    >>> cost_micros(Usage(input_tokens=1000, output_tokens=10), {"input": 150_000, "output": 600_000})
    156
    """
    if price is None:
        return 0
    rate = price.get("input", 0)
    fresh = max(usage.input_tokens - usage.cached_tokens, 0)
    total = (
        fresh * rate + usage.cached_tokens * price.get("cached", rate) + usage.output_tokens * price.get("output", 0)
    )
    return int(-(-total // TOKENS_PER_PRICE))
