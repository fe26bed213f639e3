"""Parquet files of images and texts, as datasets on Hugging Face are stored: a column of {bytes,
path}.

A Parquet file can only be read by whole row groups. A stream of shards (`lanes`) does so where the
files lie, on the disk or at an address, and copies nothing; so does a test split on the disk. For
training pairs in any other order the encoded images of each file are copied once into one file
under the data folder, and read from there by seek, which takes as much disk as the images do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams import DatasetError, FetchedTo
from streams.formats._addresses import addresses_of, fetched_all
from streams.formats._files import Files
from streams.formats._group_places import GroupPlace, GroupsAtAddress, GroupsOnDisk
from streams.formats._labels import order_of
from streams.formats._parquet_columns import check_columns, names_in
from streams.formats._parquet_images import images_of
from streams.formats._parquet_rows import Rows
from streams.formats._places import each_of, matching, part, place_and_pattern
from streams.formats._remote import is_address
from streams.formats._row_groups import RowGroups
from streams.formats._shard_cache import ShardCache
from streams.formats._shard_pairs import ShardPairs
from streams.formats._shard_stream import checked

# The key of params for the column of classes.
LABELED_BY = ("label",)


@dataclass(frozen=True)
class Parquet:
    """The fields are the keys of `dataset.params`."""

    # Folder, file, pattern (`data/train-*.parquet`) or range in the location (at an address a file
    # or a range, `data/train-{00000..00007}.parquet`); if it equals `test`, `test_share` splits it.
    train: str = ""
    test: str = ""
    # The share of the items that are test pairs, by a hash of `file/row`.
    test_share: float = 0.0
    # Column of the images.
    image: str = "image"
    # Column of a text, or of a list of them; empty: the row's templates, with the class name.
    caption: str = ""
    # Column of a class, by number or by name; empty: there are none.
    label: str = ""
    image_px: int = 224
    # The share of the items read that may be unreadable; ten always may.
    corrupt_share: float = 0.01
    # The colour that transparent pictures are put on; empty: as open_clip treats them.
    background: str = ""
    # Whether pictures are turned as their EXIF says.
    upright: bool = False
    # 0: training pairs in a random order over all; else how many lanes read a stream of shards,
    # which are row groups (`streams/lanes.py`).
    lanes: int = 0
    # How many row groups form a block, whose pairs a lane permutes.
    block_shards: int = 2

    def open(self, dataset: Mapping[str, Any], split: str, cache: Path) -> Files | ShardPairs:
        """Return the rows of the files that have a caption, by file, then as in the file.

        Raises:
            DatasetError: the location, the files or a column do not exist.
            ContradictionError: the files name other classes than the row.
        """
        about = f"dataset {dataset['name']!r}"
        if not (self.caption or self.label):
            raise DatasetError(
                f"{about}: name a caption column, or a label column, for captions from the row's "
                "templates"
            )
        if self.lanes and split == "train":
            return self._stream(dataset, cache)
        stems, files = self._files(about, dataset, split, cache)
        for stem, file in zip(stems, files, strict=True):
            check_columns(about, self, file, stem)
        images = images_of(about, files, self.image, split, cache / "parquet")
        return Files(dataset, self, split, Rows(stems, files, dataset, self, images))

    def _stream(self, dataset: Mapping[str, Any], cache: Path) -> ShardPairs:
        """Return the training pairs as a stream of row groups, read in place."""
        about, location = f"dataset {dataset['name']!r}", dataset.get("location") or ""
        columns = (self.image, self.caption, self.label)
        place: GroupPlace
        if is_address(location):
            where, root = addresses_of(about, location, self.train, ".parquet")
            addresses = list(each_of(where))
            stems = [one.removeprefix(root).removesuffix(".parquet") for one in addresses]
            fetched: FetchedTo = dataset.get("fetched_to") or FetchedTo(cache / "fetched", 1 << 60)
            node = ShardCache(about, fetched.folder / "shards", fetched.budget_bytes)
            read = [self.image, self.caption or self.label]
            place = GroupsAtAddress(addresses, stems, read, node)
            files = place.footers()
        else:
            stems, files = self._files(about, dataset, "train", cache)
            place = GroupsOnDisk(files, stems)
        for stem, file in zip(stems, files, strict=True):
            check_columns(about, self, file, stem)
        named = [names_in(file, self.label) for file in files]
        checked(self, dataset, has_names=bool(named[0]))
        groups = RowGroups(place, dataset, columns, named)
        if not groups.sizes.any():
            raise DatasetError(f"{about}: its {len(files)} Parquet files have no rows")
        return ShardPairs(dataset, self, groups)

    def compare(self, dataset: Mapping[str, Any], split: str, cache: Path) -> None:
        """Compare the class names of a row with those stored in each file of a split.

        Raises:
            ContradictionError: they differ.
        """
        about, location = f"dataset {dataset['name']!r}", dataset.get("location") or ""
        # Nothing is fetched for this; the job compares them when it opens the files
        if not self.label or is_address(location):
            return
        _, files = self._files(about, dataset, split, cache)
        for file in files:
            order_of(about, list(dataset["classes"]), names_in(file, self.label), file.name)

    def _files(
        self, about: str, dataset: Mapping[str, Any], split: str, cache: Path
    ) -> tuple[list[str], list[Path]]:
        """Return the names of a split's files without endings, and the files, fetched if needed."""
        location = dataset.get("location") or ""
        if is_address(location):
            where, root = addresses_of(about, location, part(self, split), ".parquet")
            return fetched_all(about, where, root, cache / "fetched")
        contents = "Parquet files, or folders of them"
        top, pattern = place_and_pattern(dataset, cache, part(self, split), contents)
        files = matching(about, top, pattern, ".parquet")
        return [file.relative_to(top).with_suffix("").as_posix() for file in files], files
