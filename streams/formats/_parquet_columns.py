"""The columns of Parquet files: which types each may have, and the class names that files hold."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from streams import DatasetError


def _text(kind: pa.DataType) -> bool:
    return any((types.is_string(kind), types.is_large_string(kind), types.is_string_view(kind)))


def _bytes(kind: pa.DataType) -> bool:
    return any((types.is_binary(kind), types.is_large_binary(kind), types.is_binary_view(kind)))


def _image(kind: pa.DataType) -> bool:
    place = kind.get_field_index("bytes") if types.is_struct(kind) else -1
    return _bytes(kind.field(place).type if place >= 0 else kind)


def _caption(kind: pa.DataType) -> bool:
    is_list = types.is_list(kind) or types.is_large_list(kind)
    return _text(kind.value_type if is_list else kind)


def _label(kind: pa.DataType) -> bool:
    is_number = types.is_integer(kind) or types.is_floating(kind)
    return any((_text(kind), is_number, types.is_boolean(kind), types.is_null(kind)))


# The allowed types of each column.
TYPES = {"image": _image, "caption": _caption, "label": _label}
WANTED = {
    "image": "images are bytes, or the struct of bytes and path that Hugging Face writes",
    "caption": "captions are texts, or lists of them",
    "label": "labels are numbers or names",
}


def check_columns(about: str, form: Any, file: Path, stem: str) -> None:
    """Check that a file has the columns that the row's params name, with allowed types.

    Messages call it by its name without the ending, `stem`.
    """
    try:
        schema = pq.read_schema(file)
    except pa.ArrowException as problem:
        raise DatasetError(
            f"{about}: {file} is not a whole Parquet file ({problem}). Fetch it again."
        ) from problem
    for key, fits in TYPES.items():
        column = getattr(form, key)
        if not column:
            continue
        if column not in schema.names:
            raise DatasetError(
                f"{about}: {stem}.parquet has no {key} column {column!r}. Its columns: "
                f"{', '.join(schema.names)}."
            )
        kind = schema.field(column).type
        if not fits(kind.value_type if types.is_dictionary(kind) else kind):
            raise DatasetError(
                f"{about}: {stem}.parquet: its {key} column {column!r} holds {kind}, and "
                f"{WANTED[key]}. Name another column, or convert the file."
            )


def names_in(file: Path, label: str) -> list[str]:
    """Return the class names of a label column from Hugging Face's metadata; [] without them."""
    schema = pq.read_schema(file)
    noted = (schema.metadata or {}).get(b"huggingface")
    if not noted or label not in schema.names or _text(schema.field(label).type):
        return []
    try:
        names = json.loads(noted)["info"]["features"][label]["names"]
    except (ValueError, KeyError, TypeError):
        return []
    return [str(name) for name in names]
