"""The towers as compiled code (`torch.compile`): a function of weights and rows, the same one for a model under any tuning.

What is compiled is a tower without weights. Those in use come in with the rows, computed outside by whatever computes them, so a
low-rank update, a mask or a hook on a weight sees nothing of it, one kernel serves the student, its teachers and every task, and
gradients flow to where they always do. Shapes are fixed: another one is compiled anew, and no pass falls back to plain code
unseen. Kernels round otherwise than torch's own; made again by the same compiler from the same code they are the same, so a trial
that is killed and resumed on one kind of machine comes to the same bits (inductor's `deterministic`: no kernel is chosen by
the clock).

A model whose modules somebody listens to (forward hooks) runs plainly, and so does what is watched operation by operation:
whatever is counted (the first step of a task, evaluations, what an objective looks back at) and every profile. So the FLOPs
that are charged are those of the plain pass.
"""

import copy
import os
import shutil
import subprocess
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException
from torch.utils._python_dispatch import _get_current_dispatch_mode

from methods.parameters import weights_in_use
from schema.checks.compute import ComputeError

BACKEND: Any = "inductor"  # of torch.compile
SHAPES = 64  # of rows, and ways to run them, that a tower is compiled for before that is an error
COMPILERS = (
    ("CXX", "c++", "g++", "clang++"),
    ("CC", "cc", "gcc", "clang"),
)  # for the CPU, and what Triton asks for


class Tower(nn.Module):
    """One tower of a CLIP without weights, with a forward pass of its own."""

    def __init__(self, bare: nn.Module, encode: str) -> None:
        super().__init__()
        self.bare, self.encode = bare, encode
        owned = [name for name, _ in [*bare.named_parameters(), *bare.named_buffers()]]
        self.names = [name for name in owned if _of_tower(encode, name)]
        inductor = BACKEND == "inductor"
        self.compiled: Callable[..., Tensor] = torch.compile(  # type: ignore[call-overload]
            self.run,
            backend=BACKEND,
            dynamic=False,
            fullgraph=True,
            recompile_limit=SHAPES,
            isolate_recompiles=True,
            options={"deterministic": True} if inductor else None,
        )

    def forward(self, rows: Tensor, **how: Any) -> Tensor:
        """(B, D) of (B, ...) rows."""
        made: Tensor = getattr(self.bare, self.encode)(rows, **how)
        return made

    def run(self, weights: dict[str, Tensor], rows: Tensor, how: dict[str, Any]) -> Tensor:
        """The same, with these weights."""
        made: Tensor = torch.func.functional_call(self, weights, (rows,), how)
        return made


class Towers:
    """Those of a plain CLIP and of all its copies."""

    def __init__(self, model: nn.Module, checkpointing: bool) -> None:
        self.bare = copy.deepcopy(model).to("meta")
        if checkpointing:
            self.bare.set_grad_checkpointing(True)  # type: ignore[operator]
        self.towers = {
            encode: Tower(self.bare, encode) for encode in ("encode_image", "encode_text")
        }

    def __call__(self, model: nn.Module, encode: str, rows: Tensor, **how: Any) -> Tensor:
        """(B, D) of (B, ...) rows by a tower of the model.

        Raises:
            ComputeError: torch cannot compile it.
        """
        if self.bare.training != model.training:
            self.bare.train(model.training)
        tower, owned = self.towers[encode], dict(model.named_buffers()) | weights_in_use(model)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings(
                    "ignore", "The .grad attribute of a Tensor that is not a leaf"
                )  # asked by the tracer
                return tower.compiled(
                    {f"bare.{name}": owned[name] for name in tower.names}, rows, how
                )
        except (TorchDynamoException, FailOnRecompileLimitHit) as error:
            said = " ".join(str(error).split())[:400]
            raise ComputeError(
                f"torch.compile cannot take {encode} of this backbone: {said}. Let compile be off"
            ) from error


def listened(model: nn.Module) -> bool:
    """Whether somebody has put hooks on the model's modules, whose code is not a tower's."""
    return any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def watched() -> bool:
    """Whether operations are seen one by one: counted, or profiled without contents."""
    return _get_current_dispatch_mode() is not None


def compiler(device: str) -> str:
    """What torch makes kernels with.

    Raises:
        ComputeError: there is no C++ compiler; says what to install.
    """
    variable, *names = COMPILERS[device == "cuda"]
    named = os.environ.get(variable)
    found = next(filter(shutil.which, [named] if named else names), None)
    if found is None:
        looked = f"{variable}={named}" if named else ", ".join(names)
        raise ComputeError(
            f"compile needs a compiler ({looked}), and none is on the path. Install one (apt install g++, conda install gxx, or "
            f"`module load gcc` in `setup` of site.toml), set {variable} to it, or let compile be off"
        )
    return found


def version() -> str:
    """Of what makes the kernels of a CPU, on which their last bits may depend; those of a GPU come from torch's own packages."""
    if torch.cuda.is_available():
        return ""
    said = subprocess.run(
        [compiler("cpu"), "--version"], capture_output=True, text=True, check=True
    )
    return said.stdout.partition("\n")[0]


def _of_tower(encode: str, name: str) -> bool:
    """The temperature belongs to neither."""
    return (
        name.startswith("visual.")
        if encode == "encode_image"
        else not name.startswith(("visual.", "logit_"))
    )
