"""Embeddings: hashed bags of words (Weinberger et al., 2009, "Feature Hashing for Large Scale Multitask Learning").

Pure. Texts that share words, or parts of words, point the same way; nothing else is meant by them.
"""

import base64
import hashlib
import math
import struct
from collections import Counter
from typing import Final

from greenroom.actors.rehearsal.words import STOP_WORDS, stem, words

WORD_WEIGHT: Final = 1.0
TRIGRAM_WEIGHT: Final = 0.2
TRIGRAM: Final = 3


def embed(text: str, dimensions: int) -> list[float]:
    """Gives a unit vector for a text.

    Args:
        text: any text.
        dimensions: length of the vector, at least 1.
    """
    vector = [0.0] * dimensions
    for feature, weight in _features(text).items():
        digest = int.from_bytes(hashlib.blake2b(feature.encode(), digest_size=8).digest())
        vector[(digest >> 1) % dimensions] += weight if digest & 1 else -weight
    length = math.sqrt(sum(value * value for value in vector))
    if length == 0.0:  # features that cancel each other out leave no direction: any fixed one will do
        return [1.0] + [0.0] * (dimensions - 1)
    return [value / length for value in vector]


def _features(text: str) -> dict[str, float]:
    """Gives the weights of the stems and their letter trigrams; repeated words count less and less."""
    found = [stem(word) for word in words(text) if word not in STOP_WORDS] or words(text) or [text]
    weights: dict[str, float] = {}
    for word, count in Counter(found).items():
        weight = 1.0 + math.log(count)
        weights[f"w:{word}"] = WORD_WEIGHT * weight
        for start in range(len(word) - TRIGRAM + 1):
            name = f"t:{word[start : start + TRIGRAM]}"
            weights[name] = weights.get(name, 0.0) + TRIGRAM_WEIGHT * weight
    return weights


def pack(vector: list[float]) -> str:
    """Gives a vector as the wire's base64: little-endian 32-bit floats."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")
