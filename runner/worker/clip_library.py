"""open_clip, imported without the libraries that only some towers are made of.

open_clip imports transformers and timm wherever they are installed, which takes as long as torch
itself, and most towers need neither. Here it is imported as on a machine without them; `complete`
makes up for that before a tower is built that needs one. The modules of this half import open_clip
from here, so that it comes first.
"""

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

# Key of a tower's configuration -> the library that it asks for, and open_clip's adapter of that
ADAPTERS = {
    "hf_model_name": ("transformers", "open_clip.hf_model"),
    "timm_model_name": ("timm", "open_clip.timm_model"),
}


@contextmanager
def _absent(*libraries: str) -> Iterator[None]:
    """Let imports of these fail in a block, as if they were not installed; loaded ones stay."""
    hidden = [name for name in libraries if name not in sys.modules]
    for name in hidden:
        # What Python itself keeps for a module that it is not to look for
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


with _absent(*(library for library, _ in ADAPTERS.values())):
    import open_clip
    from open_clip.convert import convert_state_dict
    from open_clip.model import (
        CLIP,
        CustomTextCLIP,
        convert_to_custom_text_state_dict,
        resize_pos_embed,
        resize_text_pos_embed,
    )

__all__ = [
    "CLIP",
    "CustomTextCLIP",
    "complete",
    "convert_state_dict",
    "convert_to_custom_text_state_dict",
    "open_clip",
    "resize_pos_embed",
    "resize_text_pos_embed",
]


def complete(config: Mapping[str, Any]) -> None:
    """Import what the towers of an open_clip configuration are made of.

    Where it is not installed, open_clip says so itself when it builds the tower.
    """
    for tower in ("vision_cfg", "text_cfg"):
        for key, (library, adapter) in ADAPTERS.items():
            module = importlib.import_module(adapter)
            if config.get(tower, {}).get(key) and getattr(module, library) is None:
                # In place: the classes that open_clip has taken from it look names up there
                importlib.reload(module)
