"""The word tokenizer of the embedded default, beside the tokenizers that open_clip brings."""

import re

import torch
from torch import Tensor


class WordTokenizer:
    """One token per word of a short vocabulary, where a 49,408-word table would be most of a model.

    The ids: 0 pads; then the words from 1 on; then an unknown word, the start, and, with the
    highest id, the end. open_clip pools a text where its token is highest.
    """

    def __init__(self, words: list[str], context_length: int) -> None:
        self.ids = {word: n for n, word in enumerate(words, 1)}
        self.unknown = len(words) + 1
        self.start = len(words) + 2
        self.end = len(words) + 3
        self.context_length = context_length

    def __call__(self, texts: list[str]) -> Tensor:
        """Return the (B, L) int64 ids of B texts; a text too long is cut and keeps its end."""
        ids = torch.zeros(len(texts), self.context_length, dtype=torch.int64)
        for row, text in enumerate(texts):
            words = re.findall(r"[a-z0-9]+", text.lower())
            known = [self.ids.get(word, self.unknown) for word in words]
            tokens = [self.start, *known[: self.context_length - 2], self.end]
            ids[row, : len(tokens)] = torch.tensor(tokens)
        return ids
