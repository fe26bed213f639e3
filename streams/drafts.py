"""Detectors, one for each format: each returns a draft for a location, or None.

A detector reads file names, headers and a few records, but no image.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from pyarrow import types
from torchvision import datasets

from streams import DatasetError
from streams.drafting import CAPTIONS, LABELS, PATHS, TEST, TRAIN, Draft, first_of
from streams.formats import _parquet_columns
from streams.formats._disk import span
from streams.formats._samples import samples_of, texts_in
from streams.formats._tables import SUFFIXES as TABLES
from streams.formats._tables import Table, read_table
from streams.formats._unused import Unused
from streams.formats.imagefolder import METADATA, class_folders, metadata_of
from streams.pictures import SUFFIXES

# How many rows or samples are read to see what they contain.
LOOKED_AT = 200
# Folders that torchvision's classes leave in their root.
TORCHVISION = {
    "cifar-10-batches-py": "CIFAR10",
    "cifar-100-python": "CIFAR100",
    "food-101": "Food101",
    "MNIST": "MNIST",
    "FashionMNIST": "FashionMNIST",
    "KMNIST": "KMNIST",
    "EMNIST": "EMNIST",
    "eurosat": "EuroSAT",
    "dtd": "DTD",
    "gtsrb": "GTSRB",
    "stl10_binary": "STL10",
    "oxford-iiit-pet": "OxfordIIITPet",
    "flowers-102": "Flowers102",
    "caltech101": "Caltech101",
    "caltech256": "Caltech256",
    "stanford_cars": "StanfordCars",
    "SUN397": "SUN397",
    "country211": "Country211",
    "fgvc-aircraft-2013b": "FGVCAircraft",
    "rendered-sst2": "RenderedSST2",
    "pcam": "PCAM",
    "fer2013": "FER2013",
}


def torchvision_set(place: Path) -> Draft | None:
    """Look for the folders that torchvision's datasets leave."""
    if not place.is_dir():
        return None
    inside = {path.name for path in place.iterdir()}
    for folder, name in TORCHVISION.items():
        # The location may be the root given to torchvision, or the folder that it made there.
        if folder in inside:
            location = place
        elif folder == place.name:
            location = place.parent
        else:
            continue
        draft = Draft("torchvision", {"set": name}, location=location)
        classes = _torchvision_classes(name, location)
        draft.comments.append(f"Seen: the folder of torchvision's {name}.")
        if classes:
            draft.name_classes(classes, f"torchvision's {name}")
        draft.has_splits = "split" in _arguments(name) or "train" in _arguments(name)
        return draft
    return None


def shards(place: Path) -> Draft | None:
    """Look for tar shards."""
    files = _files_of(place, (".tar",))
    if not files:
        return None
    draft = Draft("webdataset", comments=[f"Seen: {len(files)} tar shards."])
    _split_files(draft, place, files, ".tar")
    samples = list(samples_of(files[0], Unused()).values())[:LOOKED_AT]
    endings, labels = set[str](), list[int]()
    for parts in samples:
        endings |= parts.keys()
        if ".cls" in parts:
            labels.append(int(span(files[0], *parts[".cls"])))
    pictures = sorted(ending for ending in endings if ending.endswith(SUFFIXES))
    # Only endings such as .input.jpg: which of them is the image cannot be guessed.
    if pictures and not set(pictures) & set(SUFFIXES):
        draft.params["image"] = pictures[0].removeprefix(".")
        draft.comments.append(f"To decide: which member is the image: {', '.join(pictures)}.")
    if ".txt" not in endings and ".json" in endings:
        _captions_in_json(draft, files[0], samples)
    if labels and ".txt" not in endings and "caption" not in draft.params:
        draft.params["caption"] = "templates"
        _numbered(draft, max(labels) + 1)
    return draft


def parquet(place: Path) -> Draft | None:
    """Look for Parquet files with images in a column."""
    files = [file for file in _files_of(place, (".parquet",)) if file.name not in METADATA]
    if not files:
        return None
    schema = pq.read_schema(files[0])
    images, texts, labels = list[str](), list[str](), list[str]()
    for name in schema.names:
        kind = schema.field(name).type
        for columns, fits in ((images, "image"), (texts, "caption"), (labels, "label")):
            if _parquet_columns.TYPES[fits](kind):
                columns.append(name)
    if not images:
        return None
    draft = Draft(
        "parquet", comments=[f"Seen: {len(files)} Parquet files, {', '.join(schema.names)}."]
    )
    _split_files(draft, place, files, ".parquet")
    if "image" not in images:
        draft.params["image"] = images[0]
    # A text may be a caption or the name of a class; the column's name decides.
    caption, label = first_of(texts, CAPTIONS), first_of(labels, LABELS)
    if label:
        draft.params["label"] = label
        names = _parquet_columns.names_in(files[0], label)
        values = pq.read_table(files[0], columns=[label]).column(label).unique().to_pylist()
        known = [value for value in values if value is not None]
        if names:
            draft.name_classes(names, f"the feature {label} of the files")
        elif types.is_integer(schema.field(label).type):
            _numbered(draft, max(known, default=-1) + 1)
        else:
            draft.classes = sorted(map(str, known))
            draft.comments.append(f"Seen: {len(known)} classes in {files[0].name}, column {label}.")
    if caption:
        draft.params["caption"] = caption
        draft.comments.append(f"Seen: captions in column {caption}.")
    # Images alone cannot be trained on, so a text or a class is required.
    if not caption and not label:
        return None
    return draft


def metadata(place: Path) -> Draft | None:
    """Look for images with metadata beside them."""
    if not place.is_dir():
        return None
    draft = Draft("imagefolder")
    draft.split(class_folders(place))
    table = metadata_of("the place", place / draft.params.get("train", ""))
    if table is None:
        return None
    caption = first_of(table.columns, CAPTIONS)
    if caption is None:
        return None
    draft.params["caption"] = caption
    draft.comments.append(f"Seen: {table.file.name}, with captions in its column {caption}.")
    _label_of(draft, table)
    return draft


def table(place: Path) -> Draft | None:
    """Look for a table of paths and captions."""
    files = _files_of(place, TABLES, deep=False)
    for file in files:
        try:
            read = read_table("the place", file)
        except DatasetError:
            continue
        path, caption = first_of(read.columns, PATHS), first_of(read.columns, CAPTIONS)
        if path is None or caption is None or path == caption:
            continue
        draft = Draft("table", comments=[f"Seen: {file.name}, with {path} and {caption}."])
        for key, column, usual in (("image", path, "filepath"), ("caption", caption, "title")):
            if column != usual:
                draft.params[key] = column
        _split_files(draft, place, files, "", named=True)
        if place.is_dir() and not draft.has_splits:
            draft.params |= {"train": file.name, "test": file.name}
        _label_of(draft, read)
        return draft
    return None


def classes(place: Path) -> Draft | None:
    """Look for a folder of images for each class."""
    if not place.is_dir():
        return None
    draft = Draft("imagefolder")
    draft.split(class_folders(place))
    folder = place / draft.params.get("train", "")
    names = [name for name in class_folders(folder) if _holds_pictures(folder / name)]
    if not names:
        return None
    draft.name_classes(names, "their folders")
    if draft.classes != names:
        draft.params["folders"] = names
    return draft


LOOKS: tuple[Callable[[Path], Draft | None], ...] = (
    torchvision_set,
    shards,
    parquet,
    metadata,
    table,
    classes,
)


def _files_of(place: Path, endings: tuple[str, ...], deep: bool = True) -> list[Path]:
    """Return the files at a location with these endings, sorted: itself, or those in the folder."""
    if place.is_file():
        inside: Iterable[Path] = [place]
    elif deep:
        inside = place.rglob("*")
    else:
        inside = place.iterdir()
    files = []
    for path in inside:
        # A file given by name is always used; hidden files in a folder are not.
        hidden = path != place and path.name.startswith(".")
        if path.suffix in endings and path.is_file() and not hidden:
            files.append(path)
    return sorted(files)


def _split_files(
    draft: Draft, place: Path, files: Sequence[Path], suffix: str, named: bool = False
) -> None:
    """Find a training and a test split among files, by their folders or how their names begin."""
    if place.is_file():
        return
    paths = [file.relative_to(place) for file in files]
    folders = sorted({path.parts[0] for path in paths if len(path.parts) > 1})
    draft.split(folders)
    if draft.has_splits:
        return
    train, test = list[Path](), list[Path]()
    for path in paths:
        if path.name.startswith(TRAIN):
            train.append(path)
        elif path.name.startswith(TEST):
            test.append(path)
    if not train or not test:
        return
    places = []
    for some in (train, test):
        pattern = (some[0].parent / f"{_stem(some[0].name)}*{suffix}").as_posix()
        if named or len(some) == 1:
            pattern = some[0].as_posix()
        places.append(pattern)
    draft.params |= {"train": places[0], "test": places[1]}
    draft.has_splits = True
    draft.comments.append(f"Seen: {places[0]} to train on and {places[1]} to measure on.")


def _stem(name: str) -> str:
    """Return the word for the split that a file's name begins with."""
    return max((word for word in (*TRAIN, *TEST) if name.startswith(word)), key=len)


def _holds_pictures(folder: Path) -> bool:
    return any(path.name.lower().endswith(SUFFIXES) for path in folder.rglob("*"))


def _label_of(draft: Draft, table: Table) -> None:
    """Set the classes from a table's label column, if it has one."""
    label = first_of(table.columns, LABELS)
    if not label:
        return
    # An empty cell is no label.
    values = {row.get(label) for row in table.rows} - {None, ""}
    if not values:
        return
    draft.params["label"] = label
    words = sorted(map(str, values))
    if all(map(str.isdecimal, words)):
        _numbered(draft, max(map(int, words)) + 1)
    else:
        draft.classes = words
        draft.comments.append(f"Seen: {len(values)} classes in the column {label}.")


def _numbered(draft: Draft, count: int) -> None:
    """Set placeholder names for classes of which only the numbers are known."""
    draft.classes = _placeholders(count)
    draft.comments.append(
        f"To decide: the names of the {count} classes. The files say numbers alone, and a model "
        "cannot "
        'learn from "class 0"; write the names in the order of the numbers.'
    )


def _captions_in_json(draft: Draft, file: Path, samples: Sequence[Any]) -> None:
    """Set the key of the .json members that holds captions."""
    records = [span(file, *parts[".json"]) for parts in samples if ".json" in parts]
    for key in CAPTIONS:
        if any(texts_in(record, f"json:{key}") for record in records):
            draft.params["caption"] = f"json:{key}"
            draft.comments.append(f"Seen: captions in the key {key} of the .json members.")
            return
    try:
        keys = sorted(json.loads(records[0]))
    except (ValueError, TypeError, IndexError):
        keys = []
    draft.comments.append(
        f"To decide: the key of the .json that holds captions: {', '.join(keys)}."
    )


def _arguments(name: str) -> tuple[str, ...]:
    code = getattr(datasets, name).__init__.__code__
    return tuple(code.co_varnames[: code.co_argcount])


def _torchvision_classes(name: str, root: Path) -> list[str]:
    """Return the class names of a dataset of torchvision; empty where it knows none."""
    # torchvision may raise anything for an incomplete folder; the names are then unknown.
    try:
        opened = getattr(datasets, name)(root)
    except (RuntimeError, OSError, ValueError, TypeError, ImportError):
        return []
    names = list(map(str, getattr(opened, "classes", ())))
    if names:
        return names
    labels = np.array(getattr(opened, "_labels", ()))
    if not len(labels):
        return []
    return _placeholders(int(labels.max()) + 1)


def _placeholders(count: int) -> list[str]:
    """Return placeholder names for `count` classes."""
    return [f"class {number}" for number in range(count)]
