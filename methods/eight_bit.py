"""AdamW whose two moments are kept in 8 bits, block by block (https://arxiv.org/abs/2110.02861), as
torchao has it.

torchao compiles its step for each shape; here it runs as it is written, on any device and to the
same bits after a restart. What it remembers are tensors of a class of its own: they are saved, and
carried from task to task, as the plain tensors in them.

torchao computes its tables of 256 code values at their first use, and caches them. That first use
may be in a profile, whose tensors have no contents, so the tables are computed here, outside of any
such mode.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes
from torchao.optim import AdamW8bit
from torchao.optim.subclass_8bit import OptimState8bit, get_qmap_signed, get_qmap_unsigned

# The optimizer state of one parameter
Moments = dict[str, Any]

with torch.device("cpu"), _disable_current_modes():
    get_qmap_signed()
    get_qmap_unsigned()


# torchao has no types
class EightBit(AdamW8bit):  # type: ignore[misc]
    """AdamW in 8 bits that takes its learning rate as a number.

    `state_dict` and `plain` return its state in plain tensors.
    """

    @staticmethod
    def plain(moments: Moments) -> Moments:
        """Return the moments of one parameter as plain torch tensors."""
        opened = {}
        for key, value in moments.items():
            opened[key] = _opened(value) if isinstance(value, OptimState8bit) else value
        return opened

    @staticmethod
    def packed(moments: Moments) -> Moments:
        """Return plain moments in torchao's tensor classes, copied."""
        closed = {}
        for key, value in moments.items():
            closed[key] = _closed(value) if isinstance(value, dict) else value
        return closed

    def step(self, closure: Any = None) -> Any:
        """Take one step.

        A tensor of fewer than 4,096 numbers, or of a size that is no multiple of the block size,
        keeps its moments in full precision.
        """
        for group in self.param_groups:
            group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32)
        with torch.compiler.set_stance("force_eager"):
            # Waits: in the first step of a task, torchao copies tables of codes to the device
            return super().step(closure)

    def state_dict(self) -> dict[str, Any]:
        """Return the state in the form of any torch optimizer, in plain tensors and numbers."""
        whole = super().state_dict()
        groups = [group | {"lr": float(group["lr"])} for group in whole["param_groups"]]
        state = {key: self.plain(moments) for key, moments in whole["state"].items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        state = {key: self.packed(moments) for key, moments in state_dict["state"].items()}
        super().load_state_dict({"state": state, "param_groups": state_dict["param_groups"]})


def _opened(value: OptimState8bit) -> dict[str, Tensor | bool]:
    """Return the plain tensors inside of one 8-bit moment."""
    return {"codes": value.codes, "scale": value.scale, "qmap": value.qmap, "signed": value.signed}


def _closed(value: dict[str, Any]) -> OptimState8bit:
    """Return an 8-bit moment made of copies of such tensors."""
    tensors = [value[name].clone() for name in ("codes", "scale", "qmap")]
    return OptimState8bit(*tensors, value["signed"])
