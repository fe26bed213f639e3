"""A model of open_clip as a checkpoint of transformers' SigLIP, where there is an equivalent.

transformers computes one architecture under this name: a vision transformer of timm whose patches
are pooled by attention, and a text transformer without a causal mask whose last token is projected
with a bias. What the image tower is the built model says, since open_clip names it by timm's name.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from runner.worker import hugging_face
from runner.worker.backbone import Backbone
from runner.worker.tokenizer import WordTokenizer

# What a configuration of open_clip may say beside what SigLIP needs (ANY: SigLIP takes it)
ANY = object()
ALLOWED: dict[str, dict[str, Any]] = {
    "": {
        "embed_dim": ANY,
        "init_logit_bias": ANY,
        "init_logit_scale": ANY,
        "custom_text": True,
    },
    "vision_cfg": {
        "image_size": ANY,
        "timm_model_name": ANY,
        "timm_model_pretrained": False,
        "timm_pool": "map",
        "timm_proj": "none",
        "timm_drop": 0.0,
        "timm_drop_path": None,
    },
    "text_cfg": {
        "context_length": ANY,
        "vocab_size": ANY,
        "hf_tokenizer_name": ANY,
        "tokenizer_kwargs": ANY,
        "width": ANY,
        "heads": ANY,
        "layers": ANY,
        "mlp_ratio": ANY,
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
        "norm_kwargs": ANY,
        "act_kwargs": ANY,
    },
}
# What must be said, since open_clip's default is another
NEEDED = {"": ("custom_text",), "vision_cfg": ("timm_model_name", "timm_pool", "timm_proj")}
NEEDED["text_cfg"] = ("no_causal_mask", "proj_bias", "pool_type")


class NoSiglipError(ValueError):
    """The model has no equivalent in transformers' SigLIP; says what stands against it."""


def is_like_siglip(config: Mapping[str, Any]) -> bool:
    """Tell whether a configuration is of a model whose patches timm pools by attention."""
    vision = config.get("vision_cfg", {})
    return isinstance(vision, Mapping) and vision.get("timm_pool") == "map"


def refuse_others(config: Mapping[str, Any], own_keys: tuple[str, ...]) -> None:
    """Raise for a configuration that says what transformers' SigLIP does not compute.

    own_keys: Weir's own keys of a configuration, which are about other things.

    Raises:
        NoSiglipError: the message names the key and its value.
    """
    whole = {key: value for key, value in config.items() if key not in own_keys}
    parts = {"": whole, "vision_cfg": whole.pop("vision_cfg"), "text_cfg": whole.pop("text_cfg")}
    for part, values in parts.items():
        for key, value in values.items():
            needed = ALLOWED[part].get(key)
            if needed is not ANY and value != needed:
                raise NoSiglipError(f"transformers' SigLIP has nothing for {key} = {value!r}")
        for key in NEEDED[part]:
            if key not in values:
                raise NoSiglipError(f"transformers' SigLIP needs {key}, which it does not say")


def siglip_config(backbone: Backbone) -> dict[str, Any]:
    """Return the `config.json` of a model, read from the built towers.

    Raises:
        NoSiglipError: a tower is built otherwise than SigLIP's.
    """
    model: Any = backbone.model
    trunk, text = model.visual.trunk, model.text
    _refuse_other_trunk(trunk)
    # timm's name says the size for which positions are learned, and open_clip leaves it so
    if trunk.patch_embed.img_size != (backbone.image_px, backbone.image_px):
        raise NoSiglipError(f"its images have {backbone.image_px} px and its tower takes others")
    block, layer = trunk.blocks[0], text.transformer.resblocks[0]
    return {
        "architectures": ["SiglipModel"],
        "model_type": "siglip",
        "vision_config": {
            "model_type": "siglip_vision_model",
            "hidden_size": trunk.embed_dim,
            "intermediate_size": block.mlp.fc1.out_features,
            "num_hidden_layers": len(trunk.blocks),
            "num_attention_heads": block.attn.num_heads,
            "image_size": backbone.image_px,
            "patch_size": trunk.patch_embed.patch_size[0],
            "hidden_act": _activation(block.mlp.act),
            "layer_norm_eps": trunk.norm.eps,
        },
        "text_config": {
            "model_type": "siglip_text_model",
            "hidden_size": text.ln_final.normalized_shape[0],
            "intermediate_size": layer.mlp.c_fc.out_features,
            "num_hidden_layers": len(text.transformer.resblocks),
            "num_attention_heads": layer.attn.num_heads,
            "max_position_embeddings": len(text.positional_embedding),
            "vocab_size": len(text.token_embedding.weight),
            "projection_size": text.text_projection.out_features,
            "hidden_act": _activation(layer.mlp.gelu),
            "layer_norm_eps": text.ln_final.eps,
            **_token_ids(backbone.tokenizer),
        },
    }


def _refuse_other_trunk(trunk: Any) -> None:
    """Raise where the image tower is no vision transformer as SigLIP's is."""
    # By their names: whoever exports another model does not pay for timm
    pool = getattr(trunk, "attn_pool", None)
    kinds = (type(trunk).__name__, type(pool).__name__)
    if kinds != ("VisionTransformer", "AttentionPoolLatent"):
        raise NoSiglipError(f"its image tower is a {type(trunk).__name__}, and SigLIP's is a ViT")
    blocks = trunk.blocks[0]
    plain = trunk.num_prefix_tokens == 0 and trunk.attn_pool.latent_len == 1
    # What SigLIP has none of: extra norms, scales of layers
    for part in (trunk.norm_pre, trunk.fc_norm, blocks.ls1, blocks.ls2, blocks.attn.q_norm):
        plain = plain and isinstance(part, nn.Identity)
    if not plain:
        raise NoSiglipError("its image tower has parts that SigLIP's has not")
    pooled = trunk.attn_pool
    same = _activation(blocks.mlp.act) == _activation(pooled.mlp.act)
    if not same or pooled.norm.eps != trunk.norm.eps or blocks.norm1.eps != trunk.norm.eps:
        raise NoSiglipError("its blocks and its pooling have other activations or norms")


def _activation(module: nn.Module) -> str:
    """Return the name that transformers has for an activation."""
    approximate = getattr(module, "approximate", None)
    # timm's own module of the approximation says so by its name alone
    if type(module).__name__ == "GELUTanh" or approximate == "tanh":
        return "gelu_pytorch_tanh"
    if isinstance(module, nn.GELU) or type(module).__name__ == "GELU":
        return "gelu"
    raise NoSiglipError(f"it has the activation {type(module).__name__}")


def _token_ids(tokenizer: Any) -> dict[str, int]:
    """Return the ids of a text's start, end and padding, where Weir knows them."""
    if isinstance(tokenizer, WordTokenizer):
        return {"bos_token_id": tokenizer.start, "eos_token_id": tokenizer.end, "pad_token_id": 0}
    return {}


def named_as_siglip(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of open_clip's SigLIP under the names of transformers' SigLIP.

    The inverse of `hugging_face.renamed`. The given tensors are not changed.

    Raises:
        NoSiglipError: a name that transformers' SigLIP has nothing for.
    """
    theirs = {ours: name for name, ours in hugging_face.SIGLIP_NAMES.items()}
    towers = (
        ("visual.trunk.blocks.", "vision_model", hugging_face.TIMM_BLOCK, "attn.qkv."),
        ("text.transformer.resblocks.", "text_model", hugging_face.BLOCK, "attn.in_proj_"),
    )
    result: dict[str, Tensor] = {}
    for ours, tensor in tensors.items():
        if ours in theirs:
            result[theirs[ours]] = _shaped(ours, tensor)
        elif not ours.startswith("visual.trunk.attn_pool."):
            result |= _of_block(ours, tensor, towers)
    for kind in ("weight", "bias"):
        pool = [tensors[f"visual.trunk.attn_pool.{part}.{kind}"] for part in ("q", "kv")]
        result[hugging_face.POOL + kind] = torch.cat(pool)
    return result


def _shaped(name: str, tensor: Tensor) -> Tensor:
    """Return a tensor with as many dimensions as transformers gives it."""
    if name in ("logit_scale", "logit_bias"):
        return tensor.reshape(1)
    return tensor.squeeze(0) if name == "visual.trunk.pos_embed" else tensor


def _of_block(
    name: str, tensor: Tensor, towers: tuple[tuple[str, str, dict[str, str], str], ...]
) -> dict[str, Tensor]:
    """Return what a tensor of a block is in transformers: one tensor, or query, key and value."""
    for begins, tower, names, joined in towers:
        if not name.startswith(begins):
            continue
        number, _, rest = name.removeprefix(begins).partition(".")
        block = f"{tower}.encoder.layers.{number}"
        if rest.startswith(joined):
            kind = rest.removeprefix(joined)
            parts = zip("qkv", tensor.chunk(3), strict=True)
            return {f"{block}.self_attn.{part}_proj.{kind}": each.clone() for part, each in parts}
        module, _, kind = rest.rpartition(".")
        theirs = {ours: each for each, ours in names.items()}
        if module in theirs:
            return {f"{block}.{theirs[module]}.{kind}": tensor}
    raise NoSiglipError(f"transformers' SigLIP has nothing for {name!r}")
