"""The backbone: an open_clip CLIP, its tokenizer and its normalisation, and nothing of any method.

`architecture` is an open_clip model name, or an open_clip configuration as JSON text in the row itself. Such a configuration may
hold two keys of ours: `words`, a word-level vocabulary (a 49,408-word table would be six sevenths of a tiny model), and
`position_std`, the scale that the image positions are drawn with (at open_clip's own, a tiny tower learns where things are
much later).
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.model import CLIP
from safetensors.torch import load_file
from torch import Tensor

from runner.seeds import seed_of
from schema.words import nearest

CHUNK = 256  # images or texts encoded at once
OURS = ("words", "position_std")


class ArchitectureError(ValueError):
    """A backbone row that open_clip cannot build."""


class WordTokenizer:
    """One token per word: 0 pads, then the words, an unknown word, the start and, with the highest id, the end."""

    def __init__(self, words: list[str], context_length: int) -> None:
        self.ids = {word: n for n, word in enumerate(words, 1)}
        self.unknown, self.start, self.end = len(words) + 1, len(words) + 2, len(words) + 3
        self.context_length = context_length

    def __call__(self, texts: list[str]) -> Tensor:
        """(B, L) int64; a text too long is cut, its end token kept."""
        ids = torch.zeros(len(texts), self.context_length, dtype=torch.int64)
        for row, text in enumerate(texts):
            said = [self.ids.get(word, self.unknown) for word in re.findall(r"[a-z0-9]+", text.lower())]
            tokens = [self.start, *said[: self.context_length - 2], self.end]
            ids[row, : len(tokens)] = torch.tensor(tokens)
        return ids


class Backbone:
    """A plain CLIP on its device, with what turns pairs into its inputs."""

    def __init__(self, model: CLIP, tokenizer: Any, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.device = next(model.parameters()).device
        self.mean = torch.tensor(mean, device=self.device).view(1, 3, 1, 1)
        self.std = torch.tensor(std, device=self.device).view(1, 3, 1, 1)

    def tokenize(self, texts: list[str]) -> Tensor:
        """(B, L) int64 token ids."""
        ids: Tensor = self.tokenizer(texts)
        return ids

    def normalise(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 to float32 as the model was trained with."""
        return (images.to(self.device).float() / 255 - self.mean) / self.std

    @torch.no_grad()
    def encode_images(self, images: np.ndarray) -> Tensor:
        """(N, 3, H, W) uint8 to (N, D) float32 of unit norm."""
        self.model.eval()
        chunks = [torch.from_numpy(images[n : n + CHUNK].copy()) for n in range(0, len(images), CHUNK)]  # may be read-only
        return torch.cat([self.model.encode_image(self.normalise(chunk), normalize=True).float() for chunk in chunks])

    @torch.no_grad()
    def encode_texts(self, texts: list[str]) -> Tensor:
        """N texts to (N, D) float32 of unit norm."""
        self.model.eval()
        chunks = [self.tokenize(texts[n : n + CHUNK]).to(self.device) for n in range(0, len(texts), CHUNK)]
        return torch.cat([self.model.encode_text(chunk, normalize=True).float() for chunk in chunks])


def build(architecture: str, seed: int, device: str | None = None) -> Backbone:
    """A backbone with random weights that depend on `seed` alone; on the GPU where there is one, if no device is named.

    Raises:
        ArchitectureError: neither an open_clip model name nor a configuration that open_clip takes.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if architecture.lstrip().startswith("{"):
            return _from_config(_parsed(architecture), device)
        _known(architecture)
        model = open_clip.create_model(architecture, pretrained=None, device=device or "cpu")
    mean, std = model.visual.image_mean, model.visual.image_std
    mean, std = mean or open_clip.OPENAI_DATASET_MEAN, std or open_clip.OPENAI_DATASET_STD
    return Backbone(_placed(model, device), open_clip.get_tokenizer(architecture), mean, std)


def load(row: Mapping[str, Any], weights: str | None, seed: int) -> Backbone:
    """The backbone a definition names: random, an open_clip tag, a checkpoint path, or `weights` that a trial deployed.

    Raises:
        ArchitectureError: the architecture or the tag is unknown.
        FileNotFoundError: `pretrained` names a path where nothing is.
    """
    pretrained = row["pretrained"]
    if pretrained is None:
        return build(row["architecture"], seed_of(seed, "backbone"))
    if weights is not None or pretrained.endswith(".safetensors"):
        backbone = build(row["architecture"], 0)
        path = Path(weights or pretrained)
        if not path.exists():
            raise FileNotFoundError(f"backbone {row['name']!r}: no weights at {path}")
        backbone.model.load_state_dict(load_file(path))
        return backbone
    _known(row["architecture"])
    tags = open_clip.list_pretrained_tags_by_model(row["architecture"])
    if pretrained not in tags and not Path(pretrained).exists():
        raise ArchitectureError(
            f"backbone {row['name']!r}: {row['architecture']} has no pretrained tag {pretrained!r}, and no file is there. "
            f"Tags: {', '.join(tags) or 'none'}.{nearest(pretrained, tags)}"
        )
    model, _, transform = open_clip.create_model_and_transforms(row["architecture"], pretrained=pretrained)
    seen = transform.transforms[-1]  # the normalisation
    return Backbone(_placed(model), open_clip.get_tokenizer(row["architecture"]), tuple(seen.mean), tuple(seen.std))


def _placed(model: CLIP, device: str | None = None) -> CLIP:
    """On a device, or on the GPU where there is one."""
    return model.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))


def _parsed(architecture: str) -> dict[str, Any]:
    try:
        config = json.loads(architecture)
    except json.JSONDecodeError as error:
        raise ArchitectureError(f"the architecture begins like JSON and is not: {error}") from error
    if not isinstance(config, dict) or not {"embed_dim", "vision_cfg", "text_cfg"} <= set(config):
        raise ArchitectureError("a JSON architecture is an open_clip configuration: it needs embed_dim, vision_cfg and text_cfg")
    return config


def _from_config(config: dict[str, Any], device: str | None) -> Backbone:
    words = config.get("words")
    plain = {key: value for key, value in config.items() if key not in OURS}
    if words is not None:
        plain["text_cfg"] = plain["text_cfg"] | {"vocab_size": len(words) + 4}
    try:
        model = CLIP(**plain)
    except TypeError as error:
        raise ArchitectureError(f"open_clip does not take this configuration: {error}") from error
    if "position_std" in config:
        torch.nn.init.normal_(model.visual.positional_embedding, std=config["position_std"])
    context_length = plain["text_cfg"].get("context_length", 77)
    spoken = (
        WordTokenizer(words, context_length) if words is not None else open_clip.SimpleTokenizer(context_length=context_length)
    )
    return Backbone(_placed(model, device), spoken, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def _known(architecture: str) -> None:
    known = open_clip.list_models()
    if architecture not in known:
        near = nearest(architecture, known)
        raise ArchitectureError(f"unknown architecture {architecture!r}; it must be an open_clip model name.{near}")
