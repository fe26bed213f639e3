"""Seeds derived from a trial's seed, one for each use.

Uses are independent of each other, and of what ran before.
"""

import hashlib


def seed_of(seed: int, *use: str | int) -> int:
    """Return a 63-bit seed for a use such as ("task", 3)."""
    text = "/".join(str(word) for word in (seed, *use))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
