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
from pickle import UnpicklingError
from typing import Any

import numpy as np
import open_clip
import torch
from huggingface_hub import constants as hub
from open_clip.model import CLIP
from safetensors import SafetensorError
from torch import Tensor

from methods.compute import distributed
from schema.words import nearest
from streams.seeds import seed_of

CHUNK = 256  # images or texts encoded at once
OURS = ("words", "position_std")


class ArchitectureError(ValueError):
    """A backbone row that open_clip cannot build."""


class WeightsError(FileNotFoundError):
    """The weights of a backbone row are not where they should be."""


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
            said = [
                self.ids.get(word, self.unknown) for word in re.findall(r"[a-z0-9]+", text.lower())
            ]
            tokens = [self.start, *said[: self.context_length - 2], self.end]
            ids[row, : len(tokens)] = torch.tensor(tokens)
        return ids


class Backbone:
    """A plain CLIP on its device, with what turns pairs into its inputs."""

    def __init__(
        self, model: CLIP, tokenizer: Any, mean: tuple[float, ...], std: tuple[float, ...]
    ) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.device = next(model.parameters()).device
        self.mean = torch.tensor(mean, device=self.device).view(1, 3, 1, 1)
        self.std = torch.tensor(std, device=self.device).view(1, 3, 1, 1)

    @property
    def image_px(self) -> int:
        """The side of the square images that it takes."""
        size = self.model.visual.image_size
        return int(size if isinstance(size, int) else size[0])

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
        chunks = [
            torch.from_numpy(images[n : n + CHUNK].copy()) for n in range(0, len(images), CHUNK)
        ]  # may be read-only
        made = [
            self.model.encode_image(self.normalise(chunk), normalize=True).float()
            for chunk in distributed.dealt(chunks)
        ]
        return distributed.collected(made, chunks)

    @torch.no_grad()
    def encode_texts(self, texts: list[str]) -> Tensor:
        """N texts to (N, D) float32 of unit norm."""
        self.model.eval()
        chunks = [self.tokenize(texts[n : n + CHUNK]) for n in range(0, len(texts), CHUNK)]
        made = [
            self.model.encode_text(chunk.to(self.device), normalize=True).float()
            for chunk in distributed.dealt(chunks)
        ]
        return distributed.collected(made, chunks)


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
        ArchitectureError: the architecture or the tag is unknown, or the file holds weights of another one.
        WeightsError: nothing is at the path that `pretrained` names, or a tag's weights cannot be had here.
    """
    pretrained = row["pretrained"]
    if pretrained is None:
        return build(row["architecture"], seed_of(seed, "backbone"))
    named = (
        not row["architecture"].lstrip().startswith("{")
    )  # a configuration of one's own has no tags
    if named:
        _known(row["architecture"])
    tags = open_clip.list_pretrained_tags_by_model(row["architecture"]) if named else []
    if weights is None and pretrained in tags:
        return _tagged(row["name"], row["architecture"], pretrained)
    path = Path(weights or pretrained)
    if not path.exists():
        if weights is None and not path.suffix and len(path.parts) == 1:
            raise ArchitectureError(
                f"backbone {row['name']!r}: {row['architecture']} has no pretrained tag {pretrained!r}, and no file is there. "
                f"Tags: {', '.join(tags) or 'none'}.{nearest(pretrained, tags)}"
            )
        raise WeightsError(
            f"backbone {row['name']!r}: no weights at {path.absolute()}. Put the checkpoint there, or name its path"
        )
    backbone = build(row["architecture"], 0)
    try:
        open_clip.load_checkpoint(backbone.model, str(path), weights_only=True)
    except (RuntimeError, KeyError, UnpicklingError, SafetensorError) as error:
        more = (
            "it holds more than weights, and nothing of it was run"
            if isinstance(error, UnpicklingError)
            else " ".join(str(error).split())[:400]
        )
        about = f"{path} is no checkpoint of {row['architecture'][:60]}: {more}"
        raise ArchitectureError(
            f"backbone {row['name']!r}: {about}. Name the architecture that it was made with"
        ) from error
    return backbone


def _tagged(name: str, architecture: str, tag: str) -> Backbone:
    """The weights of an open_clip tag, from the hub's cache or the hub. HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE hold.

    Raises:
        WeightsError: they cannot be had here.
    """
    try:
        model, _, transform = open_clip.create_model_and_transforms(architecture, pretrained=tag)
    except (OSError, RuntimeError) as error:
        said = open_clip.get_pretrained_cfg(architecture, tag)
        repository, _, file = said.get("hf_hub", "").rpartition("/")
        wanted = (
            f"{file or 'open_clip_model.safetensors'} of {repository}"
            if repository
            else said.get("url", "its file")
        )
        where = f"{hub.HF_HUB_CACHE}{', and HF_HUB_OFFLINE is set' if hub.HF_HUB_OFFLINE else ''}"
        raise WeightsError(
            f"backbone {name!r}: the weights of {architecture} {tag!r} cannot be had: {wanted} is not in {where} ({error}). "
            f"Where there is a network, `hf download {repository}` into the same folder (HF_HUB_CACHE), or save a checkpoint and "
            "name its path as `pretrained`"
        ) from error
    seen = transform.transforms[-1]  # the normalisation
    return Backbone(
        _placed(model), open_clip.get_tokenizer(architecture), tuple(seen.mean), tuple(seen.std)
    )


def _placed(model: CLIP, device: str | None = None) -> CLIP:
    """On a device, or on the GPU where there is one."""
    return model.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))


def _parsed(architecture: str) -> dict[str, Any]:
    try:
        config = json.loads(architecture)
    except json.JSONDecodeError as error:
        raise ArchitectureError(f"the architecture begins like JSON and is not: {error}") from error
    if not isinstance(config, dict) or not {"embed_dim", "vision_cfg", "text_cfg"} <= set(config):
        raise ArchitectureError(
            "a JSON architecture is an open_clip configuration: it needs embed_dim, vision_cfg and text_cfg"
        )
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
        WordTokenizer(words, context_length)
        if words is not None
        else open_clip.SimpleTokenizer(context_length=context_length)
    )
    return Backbone(_placed(model, device), spoken, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def _known(architecture: str) -> None:
    known = open_clip.list_models()
    if architecture not in known:
        near = nearest(architecture, known)
        raise ArchitectureError(
            f"unknown architecture {architecture!r}; it must be an open_clip model name.{near}"
        )
