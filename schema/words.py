"""The last sentence of messages about an unknown word.

Standard library only: both halves use it.
"""

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'lora'?`, or "" where no known word is similar."""
    near = difflib.get_close_matches(word, list(known), n=3, cutoff=0.5)
    if not near:
        return ""
    return f" Did you mean {' or '.join(map(repr, near))}?"
