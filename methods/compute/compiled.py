"""The towers as compiled code (`torch.compile`): a function of weights and rows.

What is compiled is a tower without weights, the same code for a model under any tuning. The weights
in use come in with the rows, computed outside by whatever computes them, so low-rank updates, masks
and hooks on a weight work as without compilation, one kernel serves the student, its teachers and
every task, and gradients reach the same parameters. Shapes are fixed: another one is compiled anew,
and no pass falls back to plain code unseen. Compiled kernels round differently from torch's own.
The same compiler makes the same kernels from the same code, so a trial that is killed and resumed
on one kind of machine computes the same bits (inductor's `deterministic` option: no kernel is
chosen by timing).

A model whose modules have forward hooks runs without compilation. So does every pass whose
operations are counted one by one: the first step of a task, evaluations, an objective's look-back
at the end of a task, and every profile. The FLOPs that are charged are therefore those of the
uncompiled pass.
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
from torch.utils._python_dispatch import _get_current_dispatch_mode

from methods.compute import devices
from methods.parameters import weights_in_use
from schema.checks.compute import ComputeError

# Of torch.compile
BACKEND: Any = "inductor"
# How many input shapes and modes a tower is compiled for; one more is an error
SHAPES = 64
# Environment variable and names of the CPU's compiler, and of the compiler that Triton needs
CPU_COMPILERS = ("CXX", "c++", "g++", "clang++")
GPU_COMPILERS = ("CC", "cc", "gcc", "clang")


class Tower(nn.Module):
    """One tower of a CLIP without weights, with a forward pass of its own."""

    def __init__(self, bare: nn.Module, encode: str) -> None:
        super().__init__()
        self.bare, self.encode = bare, encode
        owned = [name for name, _ in [*bare.named_parameters(), *bare.named_buffers()]]
        self.names = [name for name in owned if _is_of_tower(encode, name)]
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

    def forward(self, rows: Tensor, **options: Any) -> Tensor:
        """Return (B, D) for (B, ...) rows."""
        embeddings: Tensor = getattr(self.bare, self.encode)(rows, **options)
        return embeddings

    def run(self, weights: dict[str, Tensor], rows: Tensor, options: dict[str, Any]) -> Tensor:
        """Return (B, D) for (B, ...) rows, computed with these weights."""
        embeddings: Tensor = torch.func.functional_call(self, weights, (rows,), options)
        return embeddings


class CompiledTowers:
    """Both towers of a plain CLIP and of all its copies."""

    def __init__(self, model: nn.Module, checkpointing: bool) -> None:
        self.bare = copy.deepcopy(model).to("meta")
        if checkpointing:
            self.bare.set_grad_checkpointing(True)  # type: ignore[operator]
        self.towers = {}
        for encode in ("encode_image", "encode_text"):
            self.towers[encode] = Tower(self.bare, encode)

    def __call__(self, model: nn.Module, encode: str, rows: Tensor, **options: Any) -> Tensor:
        """Return (B, D) for (B, ...) rows by a tower of the model.

        Raises:
            ComputeError: torch cannot compile the tower.
        """
        if self.bare.training != model.training:
            self.bare.train(model.training)
        tower, owned = self.towers[encode], dict(model.named_buffers()) | weights_in_use(model)
        weights = {f"bare.{name}": owned[name] for name in tower.names}
        try:
            with warnings.catch_warnings():
                # The tracer asks every tensor for its gradient
                warnings.filterwarnings(
                    "ignore", "The .grad attribute of a Tensor that is not a leaf"
                )
                return tower.compiled(weights, rows, options)
        except _compiler_errors() as error:
            reason = " ".join(str(error).split())[:400]
            raise ComputeError(
                f"torch.compile cannot take {encode} of this backbone: {reason}. Let compile be off"
            ) from error


def listened(model: nn.Module) -> bool:
    """Return whether a module has forward hooks, which compiled code would not run."""
    return any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def watched() -> bool:
    """Return whether a torch dispatch mode observes operations, to count FLOPs or to profile."""
    return _get_current_dispatch_mode() is not None


def compiler(device: str) -> str:
    """Return the compiler that torch makes kernels with, for a device of type `cpu` or `cuda`.

    Raises:
        ComputeError: there is no compiler; says what to install.
    """
    variable, *names = GPU_COMPILERS if device == "cuda" else CPU_COMPILERS
    chosen = os.environ.get(variable)
    path = next(filter(shutil.which, [chosen] if chosen else names), None)
    if path is None:
        tried = f"{variable}={chosen}" if chosen else ", ".join(names)
        raise ComputeError(
            f"compile needs a compiler ({tried}), and none is on the path. Install one (apt "
            "install g++, conda install gxx, or `module load gcc` in `setup` of site.toml), "
            f"set {variable} to it, or let compile be off"
        )
    return path


def version() -> str:
    """Return the version of the compiler that makes a CPU's kernels, which may decide last bits.

    Empty where there is a GPU, whose kernels come from torch's own packages.
    """
    if devices.accelerator() is not None:
        return ""
    command = [compiler("cpu"), "--version"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return answer.stdout.partition("\n")[0]


def _compiler_errors() -> tuple[type[Exception], ...]:
    """Return what torch raises for code that it cannot compile."""
    # Imported here, as the compiler is slow to import and most trials do not use it
    from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException

    return TorchDynamoException, FailOnRecompileLimitHit


def _is_of_tower(encode: str, name: str) -> bool:
    """Return whether a parameter belongs to a tower; the temperature belongs to neither."""
    if encode == "encode_image":
        return name.startswith("visual.")
    return not name.startswith(("visual.", "logit_"))
