"""AdamW whose two moments are kept in 8 bits, block by block (https://arxiv.org/abs/2110.02861), as torchao has it.

torchao compiles its step for each shape; here it runs as it is written, on any device and to the same bits after a restart. What
it remembers are tensors of a class of its own: they are saved, and carried from task to task, as the plain tensors in them.

torchao computes the numbers that 256 codes stand for when they are first wanted, and keeps them for good. That may be in a
profile, whose tensors hold nothing, so they are computed here, whatever mode is in force.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes
from torchao.optim import AdamW8bit
from torchao.optim.subclass_8bit import OptimState8bit, get_qmap_signed, get_qmap_unsigned

Moments = dict[str, Any]  # of one parameter

with torch.device("cpu"), _disable_current_modes():
    get_qmap_signed()
    get_qmap_unsigned()


class EightBit(AdamW8bit):  # type: ignore[misc]  # torchao has no types
    """One that takes its learning rate as a number, and whose state is plain wherever it leaves."""

    @staticmethod
    def plain(moments: Moments) -> Moments:
        """Moments of one parameter in tensors of torch's own."""
        return {
            key: _opened(value) if isinstance(value, OptimState8bit) else value
            for key, value in moments.items()
        }

    @staticmethod
    def packed(moments: Moments) -> Moments:
        """The reverse, of copies."""
        return {
            key: _closed(value) if isinstance(value, dict) else value
            for key, value in moments.items()
        }

    def step(self, closure: Any = None) -> Any:
        """One step; a tensor of fewer than 4,096 numbers, or of no whole number of blocks, has moments in full."""
        for group in self.param_groups:
            group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32)
        with torch.compiler.set_stance("force_eager"):
            return super().step(closure)

    def state_dict(self) -> dict[str, Any]:
        """As any optimizer's."""
        found = super().state_dict()
        groups = [group | {"lr": float(group["lr"])} for group in found["param_groups"]]
        return {
            "state": {key: self.plain(moments) for key, moments in found["state"].items()},
            "param_groups": groups,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The reverse."""
        state = {key: self.packed(moments) for key, moments in state_dict["state"].items()}
        super().load_state_dict({"state": state, "param_groups": state_dict["param_groups"]})


def _opened(value: OptimState8bit) -> dict[str, Tensor | bool]:
    return {"codes": value.codes, "scale": value.scale, "qmap": value.qmap, "signed": value.signed}


def _closed(value: dict[str, Any]) -> OptimState8bit:
    return OptimState8bit(
        *(value[name].clone() for name in ("codes", "scale", "qmap")), value["signed"]
    )
