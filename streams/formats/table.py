"""A table of image paths and captions, as open_clip trains from: a CSV or TSV with `filepath` and
`title`.

open_clip's own default is a tab between the two (`--csv-separator`, `--csv-img-key`,
`--csv-caption-key` of https://github.com/mlfoundations/open_clip). JSON lines and Parquet files of
paths are read alike. A path in several rows has several captions. Paths are relative to the folder
of the table, or to `images`; absolute ones are taken as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams import DatasetError
from streams.formats._captioned import Listed, rows_of_images
from streams.formats._files import Files
from streams.formats._places import matching, part, place_and_pattern, there
from streams.formats._tables import SUFFIXES, read_table

# The key of params for the column of classes.
LABELED_BY = ("label",)


@dataclass(frozen=True)
class Table:
    """The fields are the keys of `dataset.params`."""

    # File or pattern (`train.csv`) in the location; if it equals `test`, `test_share` splits it.
    train: str = ""
    test: str = ""
    # The share of the items that are test pairs, by a hash of the path.
    test_share: float = 0.0
    # Column of the paths.
    image: str = "filepath"
    # Column of the captions.
    caption: str = "title"
    # Column of a class, by number or name; empty: there are none.
    label: str = ""
    # The separator of cells; empty: a tab if the header contains one, else a comma.
    separator: str = ""
    # Folder in the location that the paths are relative to; empty: that of the table.
    images: str = ""
    image_px: int = 224
    # The share of the items read that may be unreadable; ten always may.
    corrupt_share: float = 0.01
    # The colour that transparent pictures are put on; empty: as open_clip treats them.
    background: str = ""
    # Whether pictures are turned as their EXIF says.
    upright: bool = False

    def open(self, dataset: Mapping[str, Any], split: str, cache: Path) -> Files:
        """Return the existing images that the rows name, in the order of their paths.

        Raises:
            DatasetError: the location, the table or a column does not exist.
        """
        about = f"dataset {dataset['name']!r}"
        contents = "a table of paths and captions (.csv, .tsv, .jsonl, .parquet)"
        root, pattern = place_and_pattern(dataset, cache, part(self, split), contents)
        files = self._tables(about, root, pattern)
        if not (self.image and self.caption):
            raise DatasetError(
                f"{about}: `image` and `caption` in the row's params name the columns of the "
                "paths and "
                "of the captions; neither may be empty"
            )
        folder = files[0].parent
        if self.images:
            folder = there(about, root / self.images, "the images that the table names")
        listed = Listed(folder, dataset, self.label, ())
        listed.covers += files
        columns = (("image", self.image), ("caption", self.caption), ("label", self.label))
        for file in files:
            table = read_table(about, file, self.separator)
            rows_of_images(about, listed, table, columns)
        listed.close(about, ())
        listed.covers += [folder / name for name in listed.names]
        return Files(dataset, self, split, listed)

    def _tables(self, about: str, root: Path, pattern: str) -> list[Path]:
        """Return the table files of a split.

        Raises:
            DatasetError: none, a folder that holds several, or files of several folders.
        """
        if not pattern or (root / pattern).is_dir():
            inside = sorted((root / pattern).iterdir())
            files = [file for file in inside if file.suffix in SUFFIXES and file.is_file()]
            if len(files) != 1:
                names = ", ".join(file.name for file in files) or "none"
                raise DatasetError(
                    f"{about}: {root / pattern} must hold one table for a split, and holds "
                    f"{names}. "
                    "Name "
                    "it with train and test in the row's params."
                )
            return files
        files = matching(about, root, pattern, ".csv")
        if len({file.parent for file in files}) > 1 and not self.images:
            raise DatasetError(
                f"{about}: {pattern} means tables in several folders; `images` in the row's params "
                "must "
                "say from where their paths start"
            )
        return files
