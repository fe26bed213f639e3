"""AdamW whose two moments are kept in 8 bits, block by block (https://arxiv.org/abs/2110.02861), as
torchao has it.

torchao compiles its step for each shape; here it runs as it is written, on any device and to the
same bits after a restart. What it remembers are tensors of a class of its own: they are saved, and
carried from task to task, as the plain tensors in them.

torchao computes the numbers that 256 codes stand for when they are first wanted, and keeps them for
good. That may be in a profile, whose tensors hold nothing, so they are computed here, whatever mode
is in force.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes
from torchao.optim import AdamW8bit
from torchao.optim.subclass_8bit import OptimState8bit, get_qmap_signed, get_qmap_unsigned

# What is remembered of one parameter
Moments = dict[str, Any]

with torch.device("cpu"), _disable_current_modes():
    get_qmap_signed()
    get_qmap_unsigned()


# torchao has no types
class EightBit(AdamW8bit):  # type: ignore[misc]
    """AdamW in 8 bits that takes its learning rate as a number.

    Its state is plain wherever it leaves.
    """

    @staticmethod
    def plain(moments: Moments) -> Moments:
        """Return the moments of one parameter in tensors of torch's own."""
        opened = {}
        for key, value in moments.items():
            opened[key] = _opened(value) if isinstance(value, OptimState8bit) else value
        return opened

    @staticmethod
    def packed(moments: Moments) -> Moments:
        """Return plain moments as torchao keeps them, in tensors of their own."""
        closed = {}
        for key, value in moments.items():
            closed[key] = _closed(value) if isinstance(value, dict) else value
        return closed

    def step(self, closure: Any = None) -> Any:
        """Take one step.

        A tensor of fewer than 4,096 numbers, or of no whole number of blocks, has moments in full.
        """
        for group in self.param_groups:
            group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32)
        with torch.compiler.set_stance("force_eager"):
            # Waits: in the first step of a task, torchao copies tables of codes to the device
            return super().step(closure)

    def state_dict(self) -> dict[str, Any]:
        """Return the state as any optimizer does, in plain tensors and numbers."""
        whole = super().state_dict()
        groups = [group | {"lr": float(group["lr"])} for group in whole["param_groups"]]
        state = {key: self.plain(moments) for key, moments in whole["state"].items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        state = {key: self.packed(moments) for key, moments in state_dict["state"].items()}
        super().load_state_dict({"state": state, "param_groups": state_dict["param_groups"]})


def _opened(value: OptimState8bit) -> dict[str, Tensor | bool]:
    """Return the tensors that one moment is kept in."""
    return {"codes": value.codes, "scale": value.scale, "qmap": value.qmap, "signed": value.signed}


def _closed(value: dict[str, Any]) -> OptimState8bit:
    """Return the moment that copies of such tensors make."""
    tensors = [value[name].clone() for name in ("codes", "scale", "qmap")]
    return OptimState8bit(*tensors, value["signed"])
