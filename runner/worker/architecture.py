"""The architecture of a backbone row: an open_clip model name, a folder, or JSON."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from runner.worker import weight_files
from runner.worker.clip_library import CLIP, CustomTextCLIP, complete, open_clip
from runner.worker.tokenizer import WordTokenizer
from schema.checks.preprocessing import Preprocessing
from schema.words import nearest

# Keys of a configuration that open_clip does not know
OWN_KEYS = ("words", "position_std")
# Of a word tokenizer: padding, an unknown word, the start and the end
SPECIAL_TOKENS = 4
# open_clip looks for a tokenizer beside the weights where this key of a configuration says anything
WORD_TOKENIZER = "words"
LOCAL = "local-dir:"
# What a tokenizer of transformers is read from
TOKENIZER_FILES = ("tokenizer.json", "vocab.*", "*.model")
# The embedded default normalises its images to values from -1 to 1
HALF = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}


class ArchitectureError(ValueError):
    """A backbone row that open_clip cannot build, or whose weights are of another one."""


def activation(quick_gelu: bool) -> str:
    return "QuickGELU" if quick_gelu else "GELU"


def other_activation(architecture: str, quick_gelu: bool) -> str:
    """Return the name of the same architecture with the other activation, in a message."""
    if architecture.startswith((LOCAL, "{")):
        return f'with "quick_gelu": {str(quick_gelu).lower()} in its configuration'
    plain = architecture.removesuffix("-quickgelu")
    return repr(f"{plain}-quickgelu" if quick_gelu else plain)


def tags_of(architecture: str) -> list[str]:
    """Return the pretrained tags of an open_clip model name; a configuration has none."""
    if architecture.startswith(LOCAL) or architecture.lstrip().startswith("{"):
        return []
    refuse_unknown(architecture)
    tags: list[str] = open_clip.list_pretrained_tags_by_model(architecture)
    return tags


def place(path: str, start: Path | None) -> Path:
    """Return a path that may be relative to a folder."""
    return (start or Path()) / path.removeprefix(LOCAL)


def model_config(architecture: str, data: Path | None) -> dict[str, Any]:
    """Return the open_clip configuration of an architecture."""
    config = configuration(architecture, data)[0]
    return config or open_clip.get_model_config(architecture) or {}


def configuration(
    architecture: str, data: Path | None
) -> tuple[dict[str, Any] | None, Preprocessing]:
    """Return the configuration that an architecture holds or leads to, and how it wants its images.

    The configuration is None for an open_clip model name, whose images are OpenAI's.

    Raises:
        ArchitectureError: an unknown name, or text that is no configuration.
    """
    if architecture.startswith(LOCAL):
        folder = place(architecture, data)
        if not (folder / weight_files.OPEN_CLIP).exists():
            raise ArchitectureError(
                f"architecture {architecture!r}: there is no {weight_files.OPEN_CLIP} in "
                f"{folder.absolute()}. Name a folder that open_clip has written"
            )
        text = (folder / weight_files.OPEN_CLIP).read_text()
    elif architecture.lstrip().startswith("{"):
        text = architecture
    else:
        refuse_unknown(architecture)
        return None, Preprocessing()
    config = _parsed(text)
    if "model_cfg" in config:
        keys = ("mean", "std", "interpolation", "resize_mode", "fill_color")
        said = config.get("preprocess_cfg", {})
        given = {key: said[key] for key in keys if said.get(key) is not None}
        # Our own keys stand where open_clip does not look (`runner.worker.export`)
        own = {key: config[key] for key in OWN_KEYS if key in config}
        return config["model_cfg"] | own, Preprocessing().with_keys(given, "open_clip_config.json")
    return config, Preprocessing().with_keys(HALF, "architecture")


def for_open_clip(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a configuration as open_clip takes it, and apart from it the keys that are our own.

    A vocabulary of words becomes its size and the note that the tokenizer lies beside it.
    """
    own = {key: config[key] for key in OWN_KEYS if key in config}
    plain = {key: value for key, value in config.items() if key not in OWN_KEYS}
    if "words" in own:
        sizes = {"vocab_size": len(own["words"]) + SPECIAL_TOKENS}
        plain["text_cfg"] = plain["text_cfg"] | sizes | {"hf_tokenizer_name": WORD_TOKENIZER}
    return plain, own


def _parsed(text: str) -> dict[str, Any]:
    """Return the configuration in JSON text."""
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        raise ArchitectureError(f"the architecture begins like JSON and is not: {error}") from error
    model = config.get("model_cfg", config) if isinstance(config, dict) else None
    if not isinstance(model, dict) or not {"embed_dim", "vision_cfg", "text_cfg"} <= set(model):
        raise ArchitectureError(
            "a JSON architecture is an open_clip configuration: it needs embed_dim, vision_cfg and "
            "text_cfg"
        )
    return dict(config)


def model_from(config: dict[str, Any]) -> tuple[CLIP, Any]:
    """Return a model with random weights, and its tokenizer.

    Raises:
        ArchitectureError: open_clip does not take the configuration.
    """
    words = config.get("words")
    plain = {key: value for key, value in config.items() if key not in (*OWN_KEYS, "custom_text")}
    if words is not None:
        plain["text_cfg"] = plain["text_cfg"] | {"vocab_size": len(words) + SPECIAL_TOKENS}
    complete(plain)
    try:
        model = CustomTextCLIP(**plain) if config.get("custom_text") else CLIP(**plain)
    except TypeError as error:
        raise ArchitectureError(f"open_clip does not take this configuration: {error}") from error
    if "position_std" in config:
        torch.nn.init.normal_(model.visual.positional_embedding, std=config["position_std"])
    context_length = plain["text_cfg"].get("context_length", 77)
    if words is not None:
        return model, WordTokenizer(words, context_length)
    return model, open_clip.SimpleTokenizer(context_length=context_length)


def tokenizer_beside(architecture: str, config: dict[str, Any], data: Path | None) -> Any | None:
    """Return the tokenizer whose files lie in the folder of an architecture.

    None where there is no folder, or its texts are read by words or by the byte pairs of CLIP.

    Raises:
        ArchitectureError: the folder does not hold what its configuration says it does.
    """
    named = config["text_cfg"].get("hf_tokenizer_name")
    if not architecture.startswith(LOCAL) or not named or "words" in config:
        return None
    folder = place(architecture, data)
    try:
        # Where there are none, transformers makes up an empty one by the kind of the model
        if not any(list(folder.glob(pattern)) for pattern in TOKENIZER_FILES):
            raise FileNotFoundError(f"there is none of {', '.join(TOKENIZER_FILES)}.")
        return open_clip.get_tokenizer(f"{LOCAL}{folder}")
    except (ImportError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ArchitectureError(
            f"{folder} names the tokenizer {named!r}, and its files cannot be read from there: "
            f"{reason} Put the files there that open_clip or `save_pretrained` writes beside the "
            "weights, and install transformers, which reads them"
        ) from error


def tokenizer_of(architecture: str) -> Any:
    """Return the tokenizer of an open_clip model name, which some have in a repository of the hub.

    Raises:
        ArchitectureError: it cannot be had here.
    """
    try:
        return open_clip.get_tokenizer(architecture)
    except (ImportError, OSError, ValueError) as error:
        named = open_clip.get_model_config(architecture)["text_cfg"].get("hf_tokenizer_name")
        reason = " ".join(str(error).split())[:200]
        raise ArchitectureError(
            f"the tokenizer of {architecture}, {named}, cannot be had: {reason} Where there is a "
            f"network, `hf download {named}` into the same HF_HUB_CACHE, and install transformers, "
            "which reads it"
        ) from error


def no_tokenizer(texts: list[str]) -> Any:
    """Refuse to read texts: a model without contents, as profiles have it, is given none."""
    raise ArchitectureError("a model on the device 'meta' reads no texts; build it on another")


def refuse_unknown(architecture: str) -> None:
    """Raise for a name that is not one of open_clip's."""
    known = open_clip.list_models()
    if architecture not in known:
        near = nearest(architecture, known)
        raise ArchitectureError(
            f"unknown architecture {architecture!r}; it must be an open_clip model name.{near}"
        )
