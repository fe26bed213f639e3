"""What the two halves tell each other of a model that leaves Weir as a folder.

The database half knows which weights are kept and what a model card says; the GPU half opens the
weights and writes the folder. Standard library only.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ModelExport:
    """One model that shall be written as a folder."""

    trial: int
    task: int
    # The definition that the trial ran, the text of its spec.json
    spec: str
    # The file of what the task deployed; None: task 0, which is the untouched backbone
    weights: str | None
    # The file that the trial's backbone began from, where it is `trial:<id>`
    backbone_weights: str | None
    # The folder that relative paths of the definition start at
    data: str
    # The folder to write, absolute
    folder: str
    # The model card up to how the model is loaded, Markdown
    card: str
    # The repository of the Hugging Face hub that the folder is pushed to; "": nowhere
    repository: str

    def to_row(self) -> dict[str, Any]:
        """Return the fields as they travel in JSON."""
        return asdict(self)

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "ModelExport":
        """Return what `to_row` has written."""
        return cls(**row)
