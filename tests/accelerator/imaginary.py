"""A device written in Python, on which models truly train: `accel:0`, whose numbers are the CPU's.

A tensor of it is a wrapper around a tensor on the CPU and says that it lies elsewhere, so autograd,
autocast, optimizers and modules treat it as they treat a GPU's. Each operation passes through
`Device.run`, which

- refuses one that mixes devices, as CUDA does;
- tells the watch (`watching.py`) where the host waits for the device;
- draws random numbers from a generator of the device, not from the CPU's;
- computes with the CPU tensors within.

What it cannot show: CUDA's own kernels, their rounding, speed and memory; streams that race; what
is compiled; NCCL and nvJPEG. docs/accelerators.md says what follows from that.

torch is not told that this is the accelerator of the process, so other tests of the same process
see nothing of it. Registration is final, and happens once, when this module is imported.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from tests.accelerator.watching import Watch, place

ATEN = torch.ops.aten
NAME = "accel"
# Operations that may have tensors of both devices: copies, and indices, which are copied first
MIXING = (
    "copy_",
    "_to_copy",
    "_foreach_copy_",
    "index",
    "index_put",
    "index_put_",
    "_index_put_impl_",
)
# What only the device knows, and the host has to be told
ASKING = {
    "_local_scalar_dense": "asks for a number",
    "nonzero": "asks how many are true",
    "nonzero_numpy": "asks how many are true",
    "masked_select": "asks how many are true",
    "equal": "asks whether tensors are equal",
    "_unique2": "asks how many differ",
    "unique_dim": "asks how many differ",
    "unique_consecutive": "asks how many differ",
}
# torch says of these that they synchronize a GPU with the CPU, to see whether they converged
CHECKED = {
    "_linalg_svd", "_linalg_eigh", "_linalg_eigvals", "linalg_eig", "linalg_inv_ex", "linalg_lstsq",
    "_linalg_solve_ex", "linalg_cholesky_ex", "linalg_ldl_factor_ex", "linalg_lu_factor_ex",
}  # fmt: skip


class Imaginary(Tensor):
    """A tensor of the device; `host` holds its numbers."""

    host: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, host: Tensor) -> "Imaginary":
        made: Imaginary = torch.Tensor._make_wrapper_subclass(
            cls,
            host.shape,
            strides=host.stride(),
            storage_offset=host.storage_offset(),
            dtype=host.dtype,
            device=torch.device(NAME, 0),
        )
        made.host = host
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # Another kind of wrapper opens itself first
        if not all(issubclass(cls, kind) or kind is Tensor for kind in types):
            return NotImplemented
        return DEVICE.run(func, args, kwargs or {})

    def __repr__(self) -> str:  # type: ignore[override]
        return f"Imaginary({self.host})"

    @property
    def data(self) -> Tensor:  # type: ignore[override]
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        torch.Tensor.data.__set__(self, value)  # type: ignore[attr-defined]
        self.host = value.host  # type: ignore[attr-defined]

    def fit(self) -> None:
        """Take the shape of the tensor within, which an operation may have changed in place."""
        if self.shape != self.host.shape or self.stride() != self.host.stride():
            self.data = Imaginary(self.host)

    def tolist(self) -> Any:
        """Return the numbers, for which the host waits."""
        return self.cpu().tolist()

    def numpy(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse, as torch does for a GPU's tensors."""
        raise TypeError(f"{NAME}:0 tensors have no memory that numpy sees: call cpu() first")

    def record_stream(self, stream: Any) -> None:
        """Do nothing: memory is freed when Python frees it."""


class Device:
    """The device: who watches it, and its generator of random numbers."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.random_state = torch.Generator().manual_seed(0).get_state()

    def begin(self, watch: Watch) -> None:
        """Begin anew, with another watch."""
        self.__init__()  # type: ignore[misc]
        self.watch = watch

    def run(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Carry an operation out on the tensors within."""
        name = func._schema.name.partition("::")[2]
        self.watch.operations.add(str(func))
        own: list[Imaginary] = []
        strangers: list[Tensor] = []

        def opened(leaf: Any) -> Any:
            """Return what the operation on the host is given in place of an argument."""
            if isinstance(leaf, Imaginary):
                own.append(leaf)
                return leaf.host
            if isinstance(leaf, Tensor):
                strangers.append(leaf)
            elif isinstance(leaf, torch.device) and leaf.type == NAME:
                return torch.device("cpu")
            return leaf

        inner_args, inner_kwargs = _mapped(opened, args), _mapped(opened, kwargs)
        self._note(name, args, kwargs)
        if own and strangers:
            self._refuse_mixture(name, strangers)
        if name == "copy_" and not isinstance(args[0], Imaginary):
            return args[0].copy_(args[1].host)
        if torch.Tag.nondeterministic_seeded in func.tags:
            output = self._drawn(func, inner_args, inner_kwargs)
        else:
            output = func(*inner_args, **inner_kwargs)
        if _is_host(kwargs.get("device")):
            return output
        if func._schema.is_mutable:
            for tensor in own:
                tensor.fit()
        hosts = {id(tensor.host): tensor for tensor in own}
        return _mapped(partial(_closed, hosts), output)

    def _note(self, name: str, args: Any, kwargs: Any) -> None:
        """Tell the watch if the host waits."""
        what = self._wait_of(name, args, kwargs)
        if what:
            self.watch.wait(f"{what} ({name})")

    def _wait_of(self, name: str, args: Any, kwargs: Any) -> str:
        """Return why the host waits for an operation; empty where it does not."""
        if name in ASKING:
            return ASKING[name]
        if name in CHECKED:
            return "checks whether it converged"
        if name == "repeat_interleave" and kwargs.get("output_size") is None:
            return "asks how many there are"
        if name == "_to_copy" and _is_host(kwargs.get("device")):
            return "" if kwargs.get("non_blocking") else "copies to the host"
        if name == "copy_":
            return _wait_of_copy(*args, **kwargs)
        if name in ("index", "index_put", "index_put_", "_index_put_impl_"):
            return _wait_of_index(args[1])
        return ""

    def _refuse_mixture(self, name: str, strangers: Sequence[Tensor]) -> None:
        """Raise, as CUDA does, where tensors of both devices meet; a number may lie anywhere."""
        shapes = [str(tuple(tensor.shape)) for tensor in strangers if tensor.dim() > 0]
        if shapes and name not in MIXING:
            at = place()
            raise RuntimeError(
                f"{name}: tensors on {NAME}:0 and on cpu ({', '.join(shapes)}) at {at}: {at.text}"
            )

    def _drawn(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Carry out what draws at random, by the device's own generator."""
        if kwargs.get("generator") is not None:
            return func(*args, **kwargs)
        before = torch.get_rng_state()
        torch.set_rng_state(self.random_state)
        try:
            return func(*args, **kwargs)
        finally:
            self.random_state = torch.get_rng_state()
            torch.set_rng_state(before)


def _wait_of_copy(target: Tensor, source: Tensor, non_blocking: bool = False) -> str:
    """Return why the host waits for a copy; it does not where it goes on beside it."""
    if isinstance(target, Imaginary) and isinstance(source, Imaginary):
        return ""
    if isinstance(target, Imaginary):
        pinned = getattr(source, "pinned", False)
        return "" if non_blocking and pinned else "copies from memory that is not pinned"
    return "" if non_blocking else "copies to the host"


def _wait_of_index(indices: Sequence[Tensor | None]) -> str:
    """Return why the host waits for an operation with indices."""
    for index in indices:
        if index is not None and not isinstance(index, Imaginary):
            return "copies an index from the host"
        if index is not None and index.dtype in (torch.bool, torch.uint8):
            return "asks how many are true"
    return ""


def _is_host(device: Any) -> bool:
    return device is not None and torch.device(device).type == "cpu"


def _mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """Return a value with a function applied to all that is in its lists, tuples and dicts."""
    if isinstance(value, dict):
        return {key: _mapped(function, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_mapped(function, item) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return function(value)


def _closed(hosts: dict[int, Imaginary], leaf: Any) -> Any:
    """Return a tensor of the device for one of the host: the one that holds it, where one does."""
    if not isinstance(leaf, Tensor) or isinstance(leaf, Imaginary):
        return leaf
    return hosts[id(leaf)] if id(leaf) in hosts else Imaginary(leaf)


# The only one there is: torch has one backend for a device of somebody else
DEVICE = Device()
