"""Tensors under open_clip's names into a model of open_clip, as open_clip itself loads them.

What open_clip adapts is adapted here, and said: position embeddings of another image size or
context length are interpolated, and a model trained without a bias of its logits gets one of 0.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from runner.worker.clip_library import (
    CLIP,
    convert_state_dict,
    convert_to_custom_text_state_dict,
    resize_pos_embed,
    resize_text_pos_embed,
)

SCALARS = ("logit_scale", "logit_bias")
IMAGE_POSITIONS = "visual.positional_embedding"
TEXT_POSITIONS = ("positional_embedding", "text.positional_embedding")


class MismatchError(ValueError):
    """Tensors that are not those of the model; says which, and what to do."""


def load_into(model: CLIP, tensors: Mapping[str, Tensor]) -> Iterator[str]:
    """Load tensors into a model, and return what was adapted, a sentence each.

    Raises:
        MismatchError: a tensor is missing, left over, or of another shape; the model may have some.
    """
    adapted = dict(convert_state_dict(model, dict(tensors)))
    if "positional_embedding" in adapted and not hasattr(model, "positional_embedding"):
        adapted = convert_to_custom_text_state_dict(adapted)
    remarks = list(_adapt_bias(model, adapted))
    remarks += _adapt_positions(model, adapted)
    for name in SCALARS:
        if name in adapted and getattr(model, name, None) is not None:
            adapted[name] = adapted[name].reshape(getattr(model, name).shape)
    adapted.pop("text.transformer.embeddings.position_ids", None)
    _refuse_others(model.state_dict(), adapted)
    model.load_state_dict(adapted)
    return iter(remarks)


def _adapt_bias(model: CLIP, adapted: dict[str, Tensor]) -> Iterator[str]:
    """Give weights without a bias of the logits one of 0, where the model has one."""
    has_bias = getattr(model, "logit_bias", None) is not None
    if has_bias and "logit_bias" not in adapted and "logit_scale" in adapted:
        adapted["logit_bias"] = torch.zeros_like(adapted["logit_scale"])
        yield "the weights have no logit_bias, which begins at 0"
    if "logit_bias" in adapted and not has_bias:
        raise MismatchError(
            "the weights have a logit_bias, so they were trained with a sigmoid loss, and the "
            'architecture has none. Name one that has it, or put "init_logit_bias": -10 into its '
            "configuration"
        )


def _adapt_positions(model: CLIP, adapted: dict[str, Tensor]) -> list[str]:
    """Interpolate position embeddings of another image size or context length."""
    remarks = []
    before = {name: tensor.shape for name, tensor in adapted.items()}
    resize_pos_embed(adapted, model)
    resize_text_pos_embed(adapted, model)
    for name in (IMAGE_POSITIONS, *TEXT_POSITIONS):
        if name in before and adapted[name].shape != before[name]:
            rows = f"{before[name][0]} to {adapted[name].shape[0]} rows"
            remarks.append(f"{name} was interpolated from {rows}, as open_clip does")
    return remarks


def _refuse_others(own: Mapping[str, Tensor], adapted: Mapping[str, Tensor]) -> None:
    """Raise where names or shapes differ, naming the first of each."""
    missing = [name for name in own if name not in adapted]
    others = [name for name in adapted if name not in own]
    shapes = [
        f"{name} is {tuple(adapted[name].shape)} and not {tuple(tensor.shape)}"
        for name, tensor in own.items()
        if name in adapted and adapted[name].shape != tensor.shape
    ]
    reasons = []
    if missing:
        reasons.append(f"missing {_some(missing)}")
    if others:
        reasons.append(f"unknown to it {_some(others)}")
    if shapes:
        reasons.append(f"of another shape {_some(shapes)}")
    if reasons:
        raise MismatchError(f"{'; '.join(reasons)}. Name the architecture that it was made with")


def _some(names: list[str]) -> str:
    """Return the first names of a list, and how many there are more."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"
