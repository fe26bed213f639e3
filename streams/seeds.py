"""Seeds for each use, derived from the trial's one: no use disturbs another, and none depends on
what ran before.
"""

import hashlib


def seed_of(seed: int, *use: str | int) -> int:
    """A 63-bit seed for a use such as ("task", 3)."""
    text = "/".join(str(word) for word in (seed, *use))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
