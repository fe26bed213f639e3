"""The end of every message about an unknown word. Standard library only: both halves use it."""

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'lora'?`, or nothing where no known word is near."""
    near = difflib.get_close_matches(word, list(known), n=3, cutoff=0.5)
    if not near:
        return ""
    return f" Did you mean {' or '.join(map(repr, near))}?"
