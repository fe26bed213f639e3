"""Small pictures of some test items of a dataset, for the app: `python -m streams.thumbnails`.

The app must not load code that decodes images, so this runs in a process of its own. It reads a
request as JSON from standard input (the row of the dataset, the folder of the data, the places of
the items in the test set), and prints a JSON object: for each item its picture, or why there is
none; or why there are none at all.
"""

import base64
import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from streams import DatasetError, Pairs, open_pairs

SPLIT = "test"
# The longest side of a picture that is sent, in pixels; smaller ones are sent as they are
MOST_PX = 160
# Pictures up to this side are sent without loss, as they are enlarged pixel by pixel
SMALL_PX = 64


def pictures(row: Mapping[str, Any], data: Path, items: Sequence[int]) -> list[dict[str, Any]]:
    """Return for each item its place, and `picture` (a data URL) or `reason` (why there is none).

    An item whose image cannot be read was measured with that of another item of its class, which
    `reason` names.

    Raises:
        DatasetError: the test set is not there, or its row contradicts it.
        OSError: the disk cannot be read.
    """
    pairs = open_pairs(row, SPLIT, data)
    return [_item(pairs, item) for item in items]


def _item(pairs: Pairs, item: int) -> dict[str, Any]:
    """Return what is sent of one item."""
    if not 0 <= item < len(pairs):
        return {"item": item, "reason": f"the test set here has only {len(pairs):,} items"}
    try:
        image = pairs.images(np.array([item]))[0]
    except DatasetError as problem:
        return {"item": item, "reason": str(problem)}
    sent: dict[str, Any] = {"item": item, "picture": _url(image)}
    # Only formats of files can have items that cannot be read
    other = getattr(pairs, "instead", {}).get(item)
    if other is not None:
        sent["reason"] = f"cannot be read, and was measured with item {other}, which is shown"
    return sent


def _url(image: np.ndarray) -> str:
    """Return an image (3, H, W), uint8, as a data URL."""
    picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
    kind = "PNG" if max(picture.size) <= SMALL_PX else "JPEG"
    picture.thumbnail((MOST_PX, MOST_PX))
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def main() -> int:
    """Answer the request on standard input."""
    request = json.load(sys.stdin)
    row, data = request["row"], Path(request["data"])
    answer: dict[str, Any] = {"items": []}
    try:
        answer["items"] = pictures(row, data, request["items"])
    # The app says what any dataset may raise: a format's refusal, a disk that fails.
    except Exception as problem:  # noqa: BLE001
        words = str(problem)
        if not isinstance(problem, ValueError):
            words = f"{type(problem).__name__}: {problem}"
        answer["reason"] = words
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
