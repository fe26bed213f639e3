"""Weights of Hugging Face's CLIP and SigLIP under the names that open_clip gives them, and of a
CLIP the other way.

`transformers` keeps query, key and value of an attention apart where open_clip keeps one matrix,
and the projections of its CLIP transposed. Nothing else differs but names.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from schema.checks.preprocessing import Preprocessing

# One tower's block: the name in transformers, and in open_clip's own transformer
BLOCK = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
# The same in timm's vision transformer, which open_clip takes SigLIP's image tower from
TIMM_BLOCK = {
    "layer_norm1": "norm1",
    "layer_norm2": "norm2",
    "self_attn.out_proj": "attn.proj",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
CLIP_NAMES = {
    "logit_scale": "logit_scale",
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.weight": "ln_final.weight",
    "text_model.final_layer_norm.bias": "ln_final.bias",
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm.weight": "visual.ln_pre.weight",
    "vision_model.pre_layrnorm.bias": "visual.ln_pre.bias",
    "vision_model.post_layernorm.weight": "visual.ln_post.weight",
    "vision_model.post_layernorm.bias": "visual.ln_post.bias",
    "visual_projection.weight": "visual.proj",
    "text_projection.weight": "text_projection",
}
TRANSPOSED = ("visual_projection.weight", "text_projection.weight")
SIGLIP_NAMES = {
    "logit_scale": "logit_scale",
    "logit_bias": "logit_bias",
    "text_model.embeddings.token_embedding.weight": "text.token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "text.positional_embedding",
    "text_model.final_layer_norm.weight": "text.ln_final.weight",
    "text_model.final_layer_norm.bias": "text.ln_final.bias",
    "text_model.head.weight": "text.text_projection.weight",
    "text_model.head.bias": "text.text_projection.bias",
    "vision_model.embeddings.patch_embedding.weight": "visual.trunk.patch_embed.proj.weight",
    "vision_model.embeddings.patch_embedding.bias": "visual.trunk.patch_embed.proj.bias",
    "vision_model.embeddings.position_embedding.weight": "visual.trunk.pos_embed",
    "vision_model.post_layernorm.weight": "visual.trunk.norm.weight",
    "vision_model.post_layernorm.bias": "visual.trunk.norm.bias",
    "vision_model.head.probe": "visual.trunk.attn_pool.latent",
    "vision_model.head.attention.out_proj.weight": "visual.trunk.attn_pool.proj.weight",
    "vision_model.head.attention.out_proj.bias": "visual.trunk.attn_pool.proj.bias",
    "vision_model.head.layernorm.weight": "visual.trunk.attn_pool.norm.weight",
    "vision_model.head.layernorm.bias": "visual.trunk.attn_pool.norm.bias",
    "vision_model.head.mlp.fc1.weight": "visual.trunk.attn_pool.mlp.fc1.weight",
    "vision_model.head.mlp.fc1.bias": "visual.trunk.attn_pool.mlp.fc1.bias",
    "vision_model.head.mlp.fc2.weight": "visual.trunk.attn_pool.mlp.fc2.weight",
    "vision_model.head.mlp.fc2.bias": "visual.trunk.attn_pool.mlp.fc2.bias",
}
POOL = "vision_model.head.attention.in_proj_"
LAYER = re.compile(r"(text|vision)_model\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")
# A tensor of a block of open_clip's CLIP
OPEN_CLIP_LAYER = re.compile(r"(visual\.)?transformer\.resblocks\.(\d+)\.(.+?)[._](weight|bias)")
MODEL_TYPES = ("clip", "siglip", "siglip2")
# The image tower of a CLIP by itself, which is no backbone, and may be the checkpoint of a task
IMAGE_TOWER = "clip_vision_model"
# Buffers that older versions of transformers wrote
DROPPED = re.compile(r".*\.position_ids")


class NamesError(ValueError):
    """A tensor whose name is none of a CLIP's or a SigLIP's, of transformers or of open_clip."""


def is_named_so(tensors: Mapping[str, Tensor]) -> bool:
    """Tell whether these are the tensors of a CLIP or SigLIP of transformers."""
    return any(name.startswith("vision_model.") for name in tensors)


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under open_clip's names; the given ones are not changed.

    Raises:
        NamesError: a name that neither a CLIP nor a SigLIP has.
    """
    sigmoid = "text_model.head.weight" in tensors
    names = SIGLIP_NAMES if sigmoid else CLIP_NAMES
    result: dict[str, Tensor] = {}
    attention: dict[tuple[str, str, str], dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        layer = LAYER.fullmatch(name)
        if DROPPED.fullmatch(name):
            continue
        if layer is not None:
            _place_layer(result, attention, layer, tensor, sigmoid)
        elif name in names:
            result[names[name]] = tensor.t().contiguous() if name in TRANSPOSED else tensor
        elif name.startswith(POOL) and sigmoid:
            _place_pool(result, name.removeprefix(POOL), tensor)
        else:
            raise NamesError(f"{name!r} is no tensor of a CLIP or a SigLIP of transformers")
    for (tower, number, kind), parts in attention.items():
        joined = torch.cat([parts[part] for part in ("q", "k", "v")])
        result[_attention_name(tower, number, kind, sigmoid)] = joined
    _reshape(result, sigmoid)
    return result


def named_as_transformers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of open_clip's CLIP under the names of transformers' CLIP.

    The inverse of `renamed`. The given tensors are not changed.

    Raises:
        NamesError: a name that transformers' CLIP has nothing for.
    """
    theirs = {ours: name for name, ours in CLIP_NAMES.items()}
    result: dict[str, Tensor] = {}
    for ours, tensor in tensors.items():
        layer = OPEN_CLIP_LAYER.fullmatch(ours)
        if layer is not None:
            result |= _layer_of_transformers(layer, tensor)
        elif ours in theirs:
            name = theirs[ours]
            result[name] = tensor.t().contiguous() if name in TRANSPOSED else tensor
        else:
            raise NamesError(f"transformers' CLIP has nothing for {ours!r}")
    return result


def _layer_of_transformers(layer: re.Match[str], tensor: Tensor) -> dict[str, Tensor]:
    """Return what a tensor of a block is in transformers: one tensor, or query, key and value."""
    visual, number, module, kind = layer.groups()
    tower = "vision_model" if visual else "text_model"
    block = f"{tower}.encoder.layers.{number}"
    if module == "attn.in_proj":
        parts = zip(("q", "k", "v"), tensor.chunk(3), strict=True)
        return {f"{block}.self_attn.{part}_proj.{kind}": each.clone() for part, each in parts}
    theirs = {ours: name for name, ours in BLOCK.items()}
    if module not in theirs:
        raise NamesError(f"transformers' CLIP has nothing for {layer[0]!r}")
    return {f"{block}.{theirs[module]}.{kind}": tensor}


def _place_layer(
    result: dict[str, Tensor],
    attention: dict[tuple[str, str, str], dict[str, Tensor]],
    layer: re.Match[str],
    tensor: Tensor,
    sigmoid: bool,
) -> None:
    """Put a tensor of a block where it belongs; query, key and value wait for each other."""
    tower, number, module, kind = layer.groups()
    part = re.fullmatch(r"self_attn\.([qkv])_proj", module)
    if part is not None:
        attention.setdefault((tower, number, kind), {})[part[1]] = tensor
        return
    timm = sigmoid and tower == "vision"
    block = TIMM_BLOCK if timm else BLOCK
    if module not in block:
        raise NamesError(f"{layer[0]!r} is no tensor of a CLIP or a SigLIP of transformers")
    result[f"{_block(tower, number, sigmoid)}.{block[module]}.{kind}"] = tensor


def _block(tower: str, number: str, sigmoid: bool) -> str:
    """Return the name of a block of a tower in open_clip."""
    if tower == "vision":
        if sigmoid:
            return f"visual.trunk.blocks.{number}"
        return f"visual.transformer.resblocks.{number}"
    return f"{'text.' * sigmoid}transformer.resblocks.{number}"


def _attention_name(tower: str, number: str, kind: str, sigmoid: bool) -> str:
    """Return the name of the joined query, key and value in open_clip."""
    block = _block(tower, number, sigmoid)
    if sigmoid and tower == "vision":
        return f"{block}.attn.qkv.{kind}"
    return f"{block}.attn.in_proj_{kind}"


def _place_pool(result: dict[str, Tensor], kind: str, tensor: Tensor) -> None:
    """Split the attention that pools SigLIP's patches, as timm keeps query apart from the rest."""
    width = len(tensor) // 3
    result[f"visual.trunk.attn_pool.q.{kind}"] = tensor[:width]
    result[f"visual.trunk.attn_pool.kv.{kind}"] = tensor[width:]


def _reshape(result: dict[str, Tensor], sigmoid: bool) -> None:
    """Give the tensors whose rank differs the rank that open_clip's have; changes `result`."""
    if not sigmoid:
        return
    positions = "visual.trunk.pos_embed"
    if positions in result and result[positions].ndim == 2:
        result[positions] = result[positions].unsqueeze(0)
    for name in ("logit_scale", "logit_bias"):
        if name in result:
            result[name] = result[name].reshape(())


def preprocessor_config(images: Preprocessing, image_px: int) -> dict[str, Any] | None:
    """Return a `preprocessor_config.json` of transformers' CLIP; None where it cannot say `images`.

    It can say neither that the longer side is fitted nor with what the rest is filled.
    """
    if images.resize_mode == "longest":
        return None
    square = {"height": image_px, "width": image_px}
    squashed = images.resize_mode == "squash"
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": square if squashed else {"shortest_edge": image_px},
        "resample": {"bilinear": 2, "bicubic": 3}[images.interpolation],
        "do_center_crop": not squashed,
        "crop_size": square,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(images.mean),
        "image_std": list(images.std),
    }


def preprocessing_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a `preprocessor_config.json` says, under the keys of a row's `preprocessing`."""
    params: dict[str, Any] = {}
    if "image_mean" in config:
        params["mean"] = list(config["image_mean"])
    if "image_std" in config:
        params["std"] = list(config["image_std"])
    # Pillow's numbers: 2 is bilinear, 3 is bicubic
    interpolation = {2: "bilinear", 3: "bicubic"}.get(config.get("resample", 3))
    if interpolation is not None:
        params["interpolation"] = interpolation
    size = config.get("size", {})
    if isinstance(size, Mapping) and {"height", "width"} <= set(size):
        params["resize_mode"] = "squash"
    return params
