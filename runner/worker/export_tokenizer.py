"""Tokenizers as files that open_clip and transformers load without Weir.

The word tokenizer becomes a `tokenizer.json` of the library `tokenizers`, and the byte pairs of
CLIP become the `vocab.json` and `merges.txt` that transformers reads. Other tokenizers came from
such files and are written as them again.
"""

import json
from pathlib import Path
from typing import Any

import open_clip
from open_clip.tokenizer import HFTokenizer

from runner.worker.tokenizer import WordTokenizer

# Words have letters and digits alone, so none of them is one of these
PADDING, UNKNOWN, START, END = "<|padding|>", "<|unknown|>", "<|startoftext|>", "<|endoftext|>"
# What parts words, as `WordTokenizer` reads them
BETWEEN_WORDS = "[^a-z0-9]+"


class TokenizerError(OSError):
    """A tokenizer that no file can be written of."""


def write_tokenizer(folder: Path, tokenizer: Any) -> None:
    """Write the files of a tokenizer into a folder.

    Raises:
        TokenizerError: it is of a kind that is not known here.
    """
    if isinstance(tokenizer, WordTokenizer):
        _write(folder / "tokenizer.json", word_tokenizer(tokenizer))
        _write(folder / "tokenizer_config.json", _words_settings(tokenizer))
    elif isinstance(tokenizer, open_clip.SimpleTokenizer):
        _write_byte_pairs(folder, tokenizer)
    elif isinstance(tokenizer, HFTokenizer):
        tokenizer.save_pretrained(folder)
    else:
        raise TokenizerError(
            f"a tokenizer of the kind {type(tokenizer).__name__} has no files to be written as. "
            "Kinds that have: words, the byte pairs of CLIP, and tokenizers of transformers"
        )


def word_tokenizer(tokenizer: WordTokenizer) -> dict[str, Any]:
    """Return the `tokenizer.json` that gives the same ids as a word tokenizer."""
    ends = {START: tokenizer.start, END: tokenizer.end}
    specials = {PADDING: 0, UNKNOWN: tokenizer.unknown, **ends}
    sequence = {"Sequence": {"id": "A", "type_id": 0}}
    template = [_special(START), sequence, _special(END)]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added(name, number) for name, number in specials.items()],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": BETWEEN_WORDS},
            "behavior": "Removed",
            "invert": False,
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": template,
            "pair": template,
            "special_tokens": {name: _template_token(name, ends[name]) for name in ends},
        },
        "decoder": None,
        "model": {
            "type": "WordLevel",
            "vocab": tokenizer.ids | specials,
            "unk_token": UNKNOWN,
        },
    }


def _special(name: str) -> dict[str, Any]:
    return {"SpecialToken": {"id": name, "type_id": 0}}


def _template_token(name: str, number: int) -> dict[str, Any]:
    return {"id": name, "ids": [number], "tokens": [name]}


def _added(name: str, number: int) -> dict[str, Any]:
    """Return a special token, which stands for itself and is no part of a word."""
    return {
        "id": number,
        "content": name,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }


def _words_settings(tokenizer: WordTokenizer) -> dict[str, Any]:
    """Return the `tokenizer_config.json` beside a word tokenizer's `tokenizer.json`."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": tokenizer.context_length,
        "bos_token": START,
        "eos_token": END,
        "unk_token": UNKNOWN,
        "pad_token": PADDING,
        # A caption that spells a special token out is words, as it is for Weir
        "split_special_tokens": True,
        "clean_up_tokenization_spaces": False,
    }


def _write_byte_pairs(folder: Path, tokenizer: open_clip.SimpleTokenizer) -> None:
    """Write the byte pairs of CLIP as transformers reads them.

    open_clip has its own copy of them and reads no file.
    """
    merges = sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.__getitem__)
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    _write(folder / "vocab.json", tokenizer.encoder)
    # Under open_clip's names for them, so that a caption which spells one out is read alike
    start, end = (
        tokenizer.decoder[each] for each in (tokenizer.sot_token_id, tokenizer.eot_token_id)
    )
    _write(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "CLIPTokenizer",
            "model_max_length": tokenizer.context_length,
            "bos_token": start,
            "eos_token": end,
            "unk_token": end,
            "pad_token": end,
        },
    )


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False) + "\n")
