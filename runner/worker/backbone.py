"""The backbone of a trial: an open_clip CLIP on its device, its tokenizer and its normalisation.

`architecture` is an open_clip model name; `local-dir:FOLDER`, a folder of open_clip; or JSON text,
an open_clip configuration by itself or a whole `open_clip_config.json`. A configuration may hold
two keys of ours: `words`, a word-level vocabulary (a 49,408-word table would be six sevenths of a
tiny model), and `position_std`, the scale that the image positions are drawn with (at open_clip's
own, a tiny tower learns where things are much later).

Relative paths start at the data folder.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import constants as hub
from torch import Tensor

from evals import Images
from methods.compute import devices, distributed
from runner.worker import weight_files, weight_preprocessing
from runner.worker.architecture import (
    LOCAL,
    ArchitectureError,
    activation,
    configuration,
    model_config,
    model_from,
    no_tokenizer,
    other_activation,
    place,
    tags_of,
    tokenizer_beside,
    tokenizer_of,
)
from runner.worker.clip_library import CLIP, complete, open_clip
from runner.worker.decoded_images import asked_ahead
from runner.worker.load_weights import MismatchError, load_into
from runner.worker.weight_files import UnreadableWeightsError
from schema.checks.preprocessing import Preprocessing
from schema.words import nearest
from streams.seeds import seed_of

logger = logging.getLogger(__name__)
# How many images or texts are encoded at once
CHUNK = 256


__all__ = ["ArchitectureError", "Backbone", "WeightsError", "build", "load", "preprocessing_of"]


class WeightsError(FileNotFoundError):
    """The weights of a backbone row are not where they should be."""


class Backbone:
    """A plain CLIP on its device, with what turns pairs into its inputs."""

    def __init__(self, model: CLIP, tokenizer: Any, preprocessing: Preprocessing) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.preprocessing = preprocessing
        self.device = next(model.parameters()).device
        self.mean = torch.tensor(preprocessing.mean, device=self.device).view(1, 3, 1, 1)
        self.std = torch.tensor(preprocessing.std, device=self.device).view(1, 3, 1, 1)

    @property
    def image_px(self) -> int:
        """The side of the square images that the model takes."""
        size = self.model.visual.image_size
        return int(size if isinstance(size, int) else size[0])

    def tokenize(self, texts: list[str]) -> Tensor:
        """Return the (B, L) int64 token ids of B texts."""
        ids: Tensor = self.tokenizer(texts)
        return ids

    def normalise(self, images: Tensor) -> Tensor:
        """Return (B, 3, H, W) uint8 images as float32 values that the model was trained with."""
        return (images.to(self.device).float() / 255 - self.mean) / self.std

    @torch.no_grad()
    def encode_images(self, images: Images) -> Tensor:
        """Return (N, D) float32 embeddings of unit norm of N images.

        A part of them is asked for while the one before is encoded, and none is kept.
        """
        self.model.eval()
        chunks = _parts(range(len(images)))
        embeddings = []
        # Closed here, so that the thread that decodes ends even where encoding fails
        with closing(asked_ahead(images, distributed.dealt(chunks))) as parts:
            for pixels in parts:
                inputs = self.normalise(torch.from_numpy(pixels))
                embeddings.append(self.model.encode_image(inputs, normalize=True).float())
        return distributed.collected(embeddings, chunks)

    @torch.no_grad()
    def encode_texts(self, texts: list[str]) -> Tensor:
        """Return (N, D) float32 embeddings of unit norm of N texts."""
        self.model.eval()
        chunks = [self.tokenize(part) for part in _parts(texts)]
        embeddings = [
            self.model.encode_text(chunk.to(self.device), normalize=True).float()
            for chunk in distributed.dealt(chunks)
        ]
        return distributed.collected(embeddings, chunks)


def _parts(items: Any) -> Sequence[Any]:
    """Cut a list or an array into parts of at most CHUNK."""
    return [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]


def build(
    architecture: str, seed: int, device: str | None = None, data: Path | None = None
) -> Backbone:
    """Return a backbone with random weights that depend on `seed` alone.

    device: where it is put; None: on the GPU where there is one.
    data: the folder that a relative `local-dir:` starts at.

    Raises:
        ArchitectureError: neither an open_clip model name nor a configuration that open_clip takes,
            or its tokenizer cannot be had.
    """
    config, preprocessing = configuration(architecture, data)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if config is not None:
            model, tokenizer = model_from(config)
            tokenizer = tokenizer_beside(architecture, config, data) or tokenizer
        else:
            complete(model_config(architecture, data))
            model = open_clip.create_model(architecture, pretrained=None, device=device or "cpu")
            # A profile needs none, and another one may have to come from the hub
            tokenizer = no_tokenizer if device == "meta" else tokenizer_of(architecture)
    return Backbone(_placed(model, device), tokenizer, preprocessing)


def load(
    row: Mapping[str, Any], weights: str | None, seed: int, data: Path | None = None
) -> Backbone:
    """Return the backbone that a definition names.

    weights: a file that another trial deployed; None: what the row itself names, which is nothing
    (random weights, by `seed`), a tag of open_clip, or a file or folder of weights.
    data: the folder that relative paths start at.

    Raises:
        ArchitectureError: the architecture or the tag is unknown, or the weights are of another.
        WeightsError: nothing is at the place that the row names, or a tag's weights cannot be had.
    """
    name, architecture, pretrained = row["name"], row["architecture"], row["pretrained"]
    try:
        if pretrained is None and not architecture.startswith(LOCAL):
            backbone = build(architecture, seed_of(seed, "backbone"), data=data)
        elif weights is None and pretrained in tags_of(architecture):
            backbone = _tagged(name, architecture, pretrained)
        else:
            backbone = _from_files(row, weights, data)
        preprocessing = preprocessing_of(row, weights, data)
    except UnreadableWeightsError as error:
        raise ArchitectureError(f"backbone {name!r}: {error}") from error
    return Backbone(backbone.model, backbone.tokenizer, preprocessing)


def preprocessing_of(
    row: Mapping[str, Any], weights: str | None = None, data: Path | None = None
) -> Preprocessing:
    """Return how the model of a backbone row wants its images, without loading its weights.

    What the row's definition says comes first, then what was written beside the weights that
    another trial deployed, then the tag or the folder that the weights are from, and last what an
    architecture is trained with by default.
    """
    architecture, pretrained = row["architecture"], row["pretrained"]
    base = configuration(architecture, data)[1]
    if weights is not None:
        base = base.with_keys(weight_preprocessing.of_file(Path(weights)), weights)
    elif pretrained in tags_of(architecture):
        tag = open_clip.get_pretrained_cfg(architecture, pretrained)
        keys = ("mean", "std", "interpolation", "resize_mode")
        base = base.with_keys({key: tag[key] for key in keys if key in tag}, "open_clip's tag")
    elif pretrained is not None:
        folder = place(pretrained, data)
        if folder.is_dir():
            stated = weight_preprocessing.of_folder(folder, _base_beside(folder))
            base = base.with_keys(stated, str(folder))
    return base.with_keys(row.get("preprocessing") or {}, f"backbone {row['name']!r}")


def _from_files(row: Mapping[str, Any], weights: str | None, data: Path | None) -> Backbone:
    """Return a backbone with the weights of a file or a folder.

    Raises:
        ArchitectureError, WeightsError, UnreadableWeightsError: as `load`.
    """
    name, architecture = row["name"], row["architecture"]
    named = weights or row["pretrained"] or architecture.removeprefix(LOCAL)
    path = place(named, data)
    if not path.exists():
        _refuse_missing(row, named, path, tag_possible=weights is None)
    backbone = build(architecture, 0, data=data)
    read = weight_files.read(path, _base_beside(path))
    quick_gelu = bool(model_config(architecture, data).get("quick_gelu", False))
    if read.quick_gelu is not None and read.quick_gelu != quick_gelu:
        raise ArchitectureError(
            f"backbone {name!r}: {path}, {read.kind}, was trained with "
            f"{activation(read.quick_gelu)}, and {architecture[:60]} computes "
            f"{activation(quick_gelu)}. Name the architecture "
            f"{other_activation(architecture, read.quick_gelu)}"
        )
    try:
        for remark in load_into(backbone.model, read.tensors):
            logger.warning("backbone %r: %s", name, remark)
    except MismatchError as error:
        raise ArchitectureError(
            f"backbone {name!r}: {path} is no checkpoint of {architecture[:60]}: {error}"
        ) from error
    return backbone


def _refuse_missing(row: Mapping[str, Any], named: str, path: Path, tag_possible: bool) -> None:
    """Raise for a place where nothing is, which may also be a tag that does not exist."""
    architecture, tags = row["architecture"], tags_of(row["architecture"])
    if tag_possible and not path.suffix and len(Path(named).parts) == 1:
        raise ArchitectureError(
            f"backbone {row['name']!r}: {architecture[:60]} has no pretrained tag {named!r}, "
            f"and no file is there. Tags: {', '.join(tags) or 'none'}.{nearest(named, tags)}"
        )
    raise WeightsError(
        f"backbone {row['name']!r}: no weights at {path.absolute()}. Put the checkpoint there, or "
        "name its path"
    )


def _tagged(name: str, architecture: str, tag: str) -> Backbone:
    """Return the weights of an open_clip tag, from the hub's cache or the hub.

    HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE hold.

    Raises:
        ArchitectureError: the tag was trained with another activation than the architecture's.
        WeightsError: the weights cannot be had here.
    """
    complete(model_config(architecture, None))
    config = open_clip.get_pretrained_cfg(architecture, tag)
    trained_with = bool(config.get("quick_gelu", False))
    if trained_with != bool(model_config(architecture, None).get("quick_gelu", False)):
        raise ArchitectureError(
            f"backbone {name!r}: the tag {tag!r} was trained with {activation(trained_with)}, and "
            f"{architecture} computes {activation(not trained_with)}. Name the architecture "
            f"{other_activation(architecture, trained_with)}"
        )
    try:
        model, _, _ = open_clip.create_model_and_transforms(architecture, pretrained=tag)
    except (OSError, RuntimeError) as error:
        repository, _, file = config.get("hf_hub", "").rpartition("/")
        source = config.get("url", "its file")
        if repository:
            source = f"{file or 'open_clip_model.safetensors'} of {repository}"
        offline = ", and HF_HUB_OFFLINE is set" if hub.HF_HUB_OFFLINE else ""
        raise WeightsError(
            f"backbone {name!r}: the weights of {architecture} {tag!r} cannot be had: {source} is "
            f"not in {hub.HF_HUB_CACHE}{offline} ({error}). Where there is a network, `hf download "
            f"{repository}` into the same folder (HF_HUB_CACHE), or save a checkpoint and name its "
            "path as `pretrained`"
        ) from error
    return Backbone(_placed(model), tokenizer_of(architecture), Preprocessing())


def _base_beside(folder: Path) -> Callable[[str], Path | None]:
    """Return what finds the base that an adapter in a folder names; None: it is not there."""

    def base(name: str) -> Path | None:
        path = place(name, folder)
        return path if path.exists() else None

    return base


def _placed(model: CLIP, device: str | None = None) -> CLIP:
    """Put a model on a device, or on the GPU where there is one."""
    return model.to(device or devices.kind())
