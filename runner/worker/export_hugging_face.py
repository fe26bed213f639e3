"""A model of open_clip as a CLIP or SigLIP of transformers, where there is an equivalent.

transformers computes one architecture under the name CLIP: two plain transformers, of which the
image tower's first token and the text's end are projected. A configuration that says anything else
has no equivalent, and neither has one that says something that is not known here. SigLIP is in
`export_siglip`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from runner.worker import export_siglip, hugging_face
from runner.worker.architecture import OWN_KEYS
from runner.worker.backbone import Backbone
from runner.worker.tokenizer import WordTokenizer

# What open_clip's configuration may say, and the value that it must have (ANY: transformers' CLIP
# takes it)
ANY = object()
ALLOWED: dict[str, dict[str, Any]] = {
    "": {"embed_dim": ANY, "quick_gelu": ANY, "init_logit_scale": ANY, "custom_text": False},
    "vision_cfg": {
        "image_size": ANY,
        "layers": ANY,
        "width": ANY,
        "patch_size": ANY,
        "head_width": ANY,
        "mlp_ratio": ANY,
        "pool_type": "tok",
    },
    "text_cfg": {
        "context_length": ANY,
        "vocab_size": ANY,
        "width": ANY,
        "heads": ANY,
        "layers": ANY,
        "mlp_ratio": ANY,
        "pool_type": "argmax",
    },
}
# OpenAI's start and end of a text; a text is padded with its end in transformers
BYTE_PAIR_IDS = {"bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 49407}


class NoEquivalentError(ValueError):
    """The model has no equivalent in transformers; says what stands against it."""


def write_hugging_face(
    folder: Path, config: Mapping[str, Any], backbone: Backbone, tensors: Mapping[str, Tensor]
) -> str:
    """Write a model for transformers beside what is in the folder; the tokenizer is there.

    config: open_clip's configuration of the model, Weir's own keys among it. Returns what
    transformers calls the model: CLIP or Siglip.

    Raises:
        NoEquivalentError: transformers computes something else; nothing is written.
    """
    images = hugging_face.preprocessor_config(backbone.preprocessing, backbone.image_px)
    if images is None:
        raise NoEquivalentError("its images are fitted by their longer side")
    renamed = named_for_transformers(config, tensors)
    if not export_siglip.is_like_siglip(config):
        name, content = "CLIP", clip_config(config, backbone)
    else:
        try:
            name, content = "Siglip", export_siglip.siglip_config(backbone)
        except export_siglip.NoSiglipError as error:
            raise NoEquivalentError(str(error)) from error
        _read_ids_alone(folder)
    save_file(renamed, folder / "model.safetensors", {"format": "pt"})
    for file, written in (("config.json", content), ("preprocessor_config.json", images)):
        (folder / file).write_text(json.dumps(written, indent=2) + "\n")
    return name


def named_for_transformers(
    config: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the tensors of a model under the names that transformers has for them.

    Raises:
        NoEquivalentError: transformers computes something else.
    """
    try:
        if export_siglip.is_like_siglip(config):
            export_siglip.refuse_others(config, OWN_KEYS)
            return export_siglip.named_as_siglip(tensors)
        _refuse_others(config)
        return hugging_face.named_as_transformers(tensors)
    except (hugging_face.NamesError, export_siglip.NoSiglipError) as error:
        raise NoEquivalentError(str(error)) from error


def _read_ids_alone(folder: Path) -> None:
    """Have the tokenizer of a SigLIP say no mask: its text tower sees the padding as well."""
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text()) | {"model_input_names": ["input_ids"]}
    path.write_text(json.dumps(settings, ensure_ascii=False) + "\n")


def _refuse_others(config: Mapping[str, Any]) -> None:
    """Raise for a configuration that says what transformers' CLIP does not compute."""
    whole = {key: value for key, value in config.items() if key not in OWN_KEYS}
    parts = {"": whole, "vision_cfg": whole.pop("vision_cfg"), "text_cfg": whole.pop("text_cfg")}
    for part, values in parts.items():
        for key, value in values.items():
            needed = ALLOWED[part].get(key)
            if needed is ANY or value == needed:
                continue
            name = f"{part}.{key}" if part else key
            raise NoEquivalentError(f"transformers' CLIP has nothing for {name} = {value!r}")
    if not isinstance(parts["vision_cfg"].get("layers", 12), int):
        raise NoEquivalentError("its image tower is a ResNet")
    if not isinstance(parts["vision_cfg"].get("image_size", 224), int):
        raise NoEquivalentError("its images are no squares")


def clip_config(config: Mapping[str, Any], backbone: Backbone) -> dict[str, Any]:
    """Return the `config.json` of a model: open_clip's names and defaults as transformers' own."""
    vision, text = config["vision_cfg"], config["text_cfg"]
    # What the model was built with; a vocabulary of words has no size in its configuration
    vocabulary = len(backbone.model.token_embedding.weight)
    shared = {
        "hidden_act": "quick_gelu" if config.get("quick_gelu") else "gelu",
        "layer_norm_eps": 1e-5,
        "projection_dim": config["embed_dim"],
    }
    vision_width, text_width = vision.get("width", 768), text.get("width", 512)
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": config["embed_dim"],
        "vision_config": {
            "model_type": "clip_vision_model",
            "hidden_size": vision_width,
            "intermediate_size": int(vision_width * vision.get("mlp_ratio", 4.0)),
            "num_hidden_layers": vision.get("layers", 12),
            "num_attention_heads": vision_width // vision.get("head_width", 64),
            "image_size": backbone.image_px,
            "patch_size": vision.get("patch_size", 16),
            **shared,
        },
        "text_config": {
            "model_type": "clip_text_model",
            "hidden_size": text_width,
            "intermediate_size": int(text_width * text.get("mlp_ratio", 4.0)),
            "num_hidden_layers": text.get("layers", 12),
            "num_attention_heads": text.get("heads", 8),
            "max_position_embeddings": text.get("context_length", 77),
            "vocab_size": vocabulary,
            **shared,
            **_token_ids(backbone.tokenizer),
        },
    }


def _token_ids(tokenizer: Any) -> dict[str, int]:
    """Return the ids of a text's start, end and padding; its end is what a text is pooled at."""
    if isinstance(tokenizer, WordTokenizer):
        return {"bos_token_id": tokenizer.start, "eos_token_id": tokenizer.end, "pad_token_id": 0}
    return BYTE_PAIR_IDS
