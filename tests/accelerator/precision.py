"""Autocast on the imaginary device, as it is on CUDA: the same operations in the same precisions.

torch has these lists in a header, which comes with it. CUDA and the CPU differ in them (a softmax
is in float32 on CUDA and in bfloat16 on the CPU), so a dtype that does not fit is met only there.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

HEADER = Path(torch.__file__).parent / "include/ATen/autocast_mode.h"
KEY = "AutocastPrivateUse1"
HALF = (torch.float16, torch.bfloat16)
# The lists of the header, and what becomes of an operation in it
LOWER, WIDE, WIDE_RESULT, WIDEST = (
    "AT_FORALL_LOWER_PRECISION_FP",
    "AT_FORALL_FP32",
    "AT_FORALL_FP32_SET_OPT_DTYPE",
    "AT_FORALL_PROMOTE",
)
Lists = dict[str, list[str]]


def lists() -> Lists:
    """Return the operations of each list, `name` or `name.overload`."""
    text = HEADER.read_text()
    found: Lists = {}
    for title in (LOWER, WIDE, WIDE_RESULT, WIDEST):
        body = re.search(rf"#define {title}\(_\)((?:.*\\\n)*.*\n)", text)
        assert body is not None, f"{title} is not in {HEADER}"
        entries = re.findall(r"_\((\w+)(?:, (\w+))?\)", body[1])
        found[title] = [".".join(filter(None, entry)) for entry in entries]
    return found


def register(library: torch.library.Library, device: str, key: str) -> None:
    """Give a device the autocast of CUDA; `key` is torch's name of its autocast."""
    excluded = torch._C.DispatchKeySet(getattr(torch._C.DispatchKey, key))
    for title, names in lists().items():
        for name in names:
            try:
                operation = _operation(name)
            except AttributeError:
                # Declared in the header, but no operation that a program can call
                continue
            cast = partial(_cast, _Autocast(device, excluded, title), operation)
            library.impl(operation, cast, key, allow_override=True)


@contextmanager
def on_the_cpu_too() -> Iterator[None]:
    """Give the CPU the autocast of CUDA meanwhile: what is left to differ is the device."""
    with torch.library._scoped_library("aten", "IMPL") as library:
        register(library, "cpu", "AutocastCPU")
        yield


@dataclass(frozen=True)
class _Autocast:
    """What becomes of the operations of one list on one device."""

    device: str
    excluded: Any
    title: str


def _operation(name: str) -> Any:
    packet, _, overload = name.partition(".")
    return getattr(getattr(torch.ops.aten, packet), overload or "default")


def _cast(how: _Autocast, operation: Any, *args: Any, **kwargs: Any) -> Any:
    """Carry an operation out on tensors of the precision that its list has."""
    with torch._C._ExcludeDispatchKeyGuard(how.excluded):
        if how.title == WIDE_RESULT:
            return operation(*args, **_with_dtype(how, operation, args, kwargs))
        dtype = _dtype(how, (args, kwargs))
        if dtype is not None:
            args, kwargs = tree_map(partial(_as, how.device, dtype), (args, kwargs))
        return operation(*args, **kwargs)


def _dtype(how: _Autocast, arguments: Any) -> torch.dtype | None:
    """Return the precision that the arguments of an operation are cast to; None: as they are."""
    if how.title == LOWER:
        return torch.get_autocast_dtype(how.device)
    if how.title == WIDE:
        return torch.float32
    kinds = {leaf.dtype for leaf in tree_leaves(arguments) if _is_cast(how.device, leaf)}
    return torch.float32 if torch.float32 in kinds else None


def _with_dtype(how: _Autocast, operation: Any, args: Any, kwargs: Any) -> Any:
    """Return the arguments of a reduction that is told to sum up in float32, if it is not told."""
    positions = [argument.name for argument in operation._schema.arguments]
    told = kwargs.get("dtype") is not None or len(args) > positions.index("dtype")
    if told or not _is_cast(how.device, args[0]) or args[0].dtype not in HALF:
        return kwargs
    return kwargs | {"dtype": torch.float32}


def _as(device: str, dtype: torch.dtype, leaf: Any) -> Any:
    return leaf.to(dtype) if _is_cast(device, leaf) and leaf.dtype is not dtype else leaf


def _is_cast(device: str, leaf: Any) -> bool:
    """Return whether autocast casts a leaf of the arguments: floating point on the device."""
    if not isinstance(leaf, Tensor) or leaf.device.type != device:
        return False
    return leaf.is_floating_point() and leaf.dtype is not torch.float64
