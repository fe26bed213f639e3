"""Reading JSON that something may have damaged: into a frozen dataclass, or not at all.

Every file of a lab is input: a disk, a person or a half-dead process may have changed it. So a file
is absent (None), or damaged (`DamagedFileError`, which names it), or a record whose fields have
their types, and never a traceback somewhere later. Standard library only.
"""

import dataclasses
import hashlib
import json
import math
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self, Union, get_args, get_origin, get_type_hints

from schema.spec import canonical

# The key under which an object carries its own digest
SEAL = "seal"
# Whole numbers of a catalog are below this
LARGEST = 2**63


class DamagedFileError(ValueError):
    """A file is there and is not what was written; the message names it and says what is wrong."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} {why}")
        self.path, self.why = path, why


def read_bytes(path: Path) -> bytes | None:
    """Return the content of a file, or None when there is none.

    Raises:
        DamagedFileError: something is there that cannot be read (a folder, no permission).
    """
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DamagedFileError(path, f"cannot be read ({error.strerror or error})") from error


def parsed(path: Path, content: bytes) -> dict[str, Any]:
    """Return the JSON object that `content` of the file `path` is.

    Raises:
        DamagedFileError: it is cut off, no JSON, nested too deep, or no object.
    """
    try:
        value = json.loads(content.decode())
    except RecursionError as error:
        raise DamagedFileError(path, "is nested too deep to be one of ours") from error
    except ValueError as error:
        raise DamagedFileError(path, "is cut off or no JSON") from error
    if not isinstance(value, dict):
        raise DamagedFileError(path, f"holds a {type(value).__name__}, not an object")
    return value


def read_object(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file, or None when there is no file.

    Raises:
        DamagedFileError: something else is there.
    """
    content = read_bytes(path)
    return None if content is None else parsed(path, content)


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object with a digest of itself, by which a changed byte of its file is noticed."""
    return {**value, SEAL: hashlib.sha256(canonical(value).encode()).hexdigest()[:32]}


def opened(path: Path, value: dict[str, Any]) -> dict[str, Any]:
    """Return a sealed object without its seal; files of older versions have none.

    Raises:
        DamagedFileError: the object is not the one that was sealed.
    """
    if SEAL not in value:
        return value
    bare = {key: item for key, item in value.items() if key != SEAL}
    try:
        intact = sealed(bare) == value
    except (ValueError, RecursionError):
        # NaN, or half a surrogate pair: never written by us
        intact = False
    if not intact:
        raise DamagedFileError(path, "is not as it was written: its seal differs")
    return bare


@cache
def _fields(kind: Any) -> dict[str, tuple[Any, bool]]:
    """Return the fields of a dataclass: name -> (type, whether a file must have it)."""
    hints = get_type_hints(kind)
    types_of = {}
    for each in dataclasses.fields(kind):
        bare = each.default is dataclasses.MISSING
        required = bare and each.default_factory is dataclasses.MISSING
        types_of[each.name] = (hints[each.name], required)
    return types_of


def _is_text(value: Any) -> bool:
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        # Half a surrogate pair, which no catalog takes
        return False


def _is_whole(value: Any) -> bool:
    return type(value) is int and -LARGEST <= value < LARGEST


def _is_number(value: Any) -> bool:
    return _is_whole(value) or (type(value) is float and math.isfinite(value))


SIMPLE: dict[Any, Callable[[Any], bool]] = {
    str: _is_text,
    int: _is_whole,
    float: _is_number,
    bool: lambda value: isinstance(value, bool),
    type(None): lambda value: value is None,
    Any: lambda value: True,
}


def fits(value: Any, annotation: Any) -> bool:
    """Return whether a parsed JSON value is of an annotated type."""
    if annotation in SIMPLE:
        return SIMPLE[annotation](value)
    kind, inner = get_origin(annotation), get_args(annotation)
    if kind in (Union, types.UnionType):
        return any(fits(value, each) for each in inner)
    if kind is dict:
        whole = isinstance(value, dict)
        return whole and all(_is_text(key) and fits(item, inner[1]) for key, item in value.items())
    if kind is list:
        return isinstance(value, list) and all(fits(item, inner[0]) for item in value)
    return isinstance(value, kind or annotation)


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """The contents of a file of the run folder; subclasses name the fields."""

    # Keys that a newer or older version may write beside the fields, and that are passed over
    IGNORED: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return what a file says, or None when there is no file.

        Raises:
            DamagedFileError: the file is not what was written.
        """
        value = read_object(path)
        return None if value is None else cls.of(path, opened(path, value))

    @classmethod
    def of(cls, path: Path, value: Mapping[str, Any]) -> Self:
        """Return the record of a parsed object that came from `path`.

        Raises:
            DamagedFileError: a field is missing, unknown or of another type.
        """
        known = _fields(cls)  # type: ignore[arg-type]
        own = {key: item for key, item in value.items() if key not in cls.IGNORED}
        for name, (annotation, needed) in known.items():
            if name not in own and needed:
                raise DamagedFileError(path, f"lacks {name!r}")
            if name in own and not fits(own[name], annotation):
                raise DamagedFileError(path, f"has a {name!r} that is no {_words(annotation)}")
        unknown = sorted(set(own) - set(known))
        if unknown:
            raise DamagedFileError(path, f"has unknown keys {unknown}")
        return cls(**own)


def _words(annotation: Any) -> str:
    if get_origin(annotation) is None:
        return str(getattr(annotation, "__name__", annotation))
    return str(annotation)
