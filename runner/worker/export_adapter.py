"""What a trial has learned as an adapter of peft's LoRA, where it is of low rank.

Between tasks a model is a plain CLIP, so an adapter is no longer apart from it. But the difference
between what was deployed and the backbone has the ranks of all adapters that were folded into it,
and its singular value decomposition gives it back: W = W0 + B A (LoRA,
https://arxiv.org/abs/2106.09685, equation 3), to the rounding of float32.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

FOLDER = "adapter"
# How peft names the matrices of a module
PREFIX = "base_model.model."
# Of the norm of a weight: what rounding adds to it each time that something is folded into it
ROUNDING = torch.finfo(torch.float32).eps
# In transformers' CLIP and SigLIP the weights of linear maps, which a LoRA of peft can change
LINEAR = ("_proj.weight", "fc1.weight", "fc2.weight", "projection.weight", "head.weight")
CARD = """---
library_name: peft
---

What trial {trial} learned, as an adapter of rank {rank} on its backbone {backbone}, the untouched
model: `python -m runner.export {trial} BASE --task 0` writes it.

```python
from peft import PeftModel
from transformers import AutoModel

model = PeftModel.from_pretrained(AutoModel.from_pretrained("BASE"), "FOLDER/adapter")
```
"""


class NoAdapterError(ValueError):
    """The difference is no adapter; says what stands against it."""


def pairs(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> dict[str, list[Tensor]]:
    """Return for each linear map that moved the matrices A (rank, columns) and B (rows, rank).

    before, after: the tensors of the backbone and of what was deployed, as transformers names them.

    Raises:
        NoAdapterError: nothing moved, something that is no linear map did, or by so high a rank
            that an adapter is no smaller than the weight.
    """
    found: dict[str, list[Tensor]] = {}
    for name, weight in before.items():
        difference = (after[name] - weight).double()
        if not difference.any():
            continue
        if not name.endswith(LINEAR) or weight.ndim != 2:
            raise NoAdapterError(f"{name} moved as well, which is no linear map")
        found[name.removesuffix(".weight")] = _pair(name, weight, difference)
    if not found:
        raise NoAdapterError("nothing moved")
    return found


def _pair(name: str, weight: Tensor, difference: Tensor) -> list[Tensor]:
    """Return A and B, whose product is a difference up to rounding."""
    rows, columns = difference.shape
    left, values, right = torch.linalg.svd(difference, full_matrices=False)
    floor = ROUNDING * weight.double().norm()
    # Of what rounding alone moved there is at least one direction left
    rank = max(1, int((values > floor).sum()))
    if rank * (rows + columns) >= rows * columns:
        raise NoAdapterError(f"{name} moved by rank {rank} of {min(rows, columns)}")
    roots = values[:rank].sqrt()
    down, up = roots[:, None] * right[:rank], left[:, :rank] * roots
    return [down.float().contiguous(), up.float().contiguous()]


def write_adapter(
    folder: Path, found: Mapping[str, list[Tensor]], trial: int, backbone: str
) -> int:
    """Write the folder of an adapter that peft loads; return its highest rank.

    found: as `pairs` returns them; backbone: what the adapter belongs to, for people.
    """
    folder.mkdir()
    tensors = {}
    ranks = {}
    for module, (down, up) in found.items():
        tensors[f"{PREFIX}{module}.lora_A.weight"] = down
        tensors[f"{PREFIX}{module}.lora_B.weight"] = up
        ranks[module] = len(down)
    rank = max(ranks.values())
    save_file(tensors, folder / "adapter_model.safetensors", {"format": "pt"})
    config = _config(ranks, rank, backbone)
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "README.md").write_text(CARD.format(trial=trial, rank=rank, backbone=backbone))
    return rank


def _config(ranks: Mapping[str, int], rank: int, backbone: str) -> dict[str, Any]:
    """Return an `adapter_config.json`; alpha is the rank everywhere, so B A is added as it is."""
    others = {module: each for module, each in ranks.items() if each != rank}
    return {
        "peft_type": "LORA",
        "task_type": None,
        "base_model_name_or_path": backbone,
        "r": rank,
        "lora_alpha": rank,
        "rank_pattern": others,
        "alpha_pattern": others,
        "target_modules": list(ranks),
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
    }
