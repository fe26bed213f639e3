"""torch's compiler (`torch._dynamo`), imported when something asks for it and not before.

torchvision takes one function of it, and every optimizer of torch calls another at each step.
Either brings it in, and with it what takes longer to import than all that a plain trial needs.
Outside of compiled code these do nothing, so a stand-in does that here. Whatever else is asked of
it, by an import or as an attribute, brings in the compiler itself, which from then on is all there
is.
"""

import functools
import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

import torch

COMPILER = "torch._dynamo"
UTILS = "torch._dynamo.utils"
# The mark by which torch keeps what `disable` returned for a function
DISABLED = "__dynamo_disable"


class StandIn(ModuleType):
    """A module of the compiler with nothing in it; what it is asked for is looked up in the real
    one.
    """

    def __getattr__(self, name: str) -> Any:
        # Whoever looks through all modules asks for such names, and wants nothing of the compiler
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(_real(self.__name__), name)


class Finder:
    """A finder of modules that answers for the compiler's while the stand-in is there."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        """Return where a module of the compiler is, which brings in the compiler."""
        if not name.startswith(f"{COMPILER}.") or not is_standing_in():
            return None
        compiler = _real(COMPILER)
        if name in sys.modules:
            return ModuleSpec(name, Loaded(sys.modules[name]))
        return PathFinder.find_spec(name, compiler.__path__)


class Loaded(Loader):
    """A loader of a module that is loaded already."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.spec = module, module.__spec__
        # Python would load a module with a specification of its own a second time. Not by an
        # assignment, which a module of settings takes for a setting
        vars(module)["__spec__"] = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module as it is."""
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module as it was loaded."""
        vars(module)["__spec__"] = self.spec


def install() -> None:
    """Put the stand-in where the compiler would be, unless that is imported already."""
    if COMPILER in sys.modules:
        return
    compiler, utils = StandIn(COMPILER), StandIn(UTILS)
    # What makes it a package for Python
    compiler.__path__ = []
    compiler.__dict__.update(utils=utils, graph_break=_graph_break, disable=_disable)
    utils.__dict__.update(is_compile_supported=_is_compile_supported)
    sys.modules |= {COMPILER: compiler, UTILS: utils}
    torch.__dict__["_dynamo"] = compiler
    sys.meta_path.insert(0, Finder)


def is_standing_in() -> bool:
    """Return whether the compiler has not been asked for yet."""
    return isinstance(sys.modules.get(COMPILER), StandIn)


def _real(name: str) -> ModuleType:
    """Return a module of the compiler itself; the first call ends the stand-in."""
    if is_standing_in():
        compiler = sys.modules[COMPILER]
        for each in (COMPILER, UTILS):
            del sys.modules[each]
        del torch.__dict__["_dynamo"]
        sys.meta_path.remove(Finder)
        # The compiler is to decide anew about the functions that it was asked to leave alone
        for function in compiler.__dict__.pop("left_alone", []):
            vars(function).pop(DISABLED, None)
    return importlib.import_module(name)


def _graph_break(*arguments: Any, **options: Any) -> None:
    """End no graph, as there is none outside of compiled code."""


def _disable(function: Any = None, recursive: bool = True, **options: Any) -> Any:
    """Return a function that the compiler is to leave alone, once there is one."""
    if function is None:
        return functools.partial(_disable, recursive=recursive, **options)
    if options.get("wrapping") is False:
        # torch itself asks at the first call, and keeps the answer as a mark of the function
        left_alone: list[Any] = sys.modules[COMPILER].__dict__.setdefault("left_alone", [])
        left_alone.append(function)
        return function

    @functools.wraps(function)
    def later(*arguments: Any, **keywords: Any) -> Any:
        if is_standing_in():
            return function(*arguments, **keywords)
        disabled = _real(COMPILER).disable(function, recursive, **options)
        return disabled(*arguments, **keywords)

    return later


def _is_compile_supported(device: Any) -> Any:
    return _real(UTILS).is_compile_supported(device)
