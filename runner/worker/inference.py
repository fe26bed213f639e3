"""What an image and a text cost at inference, counted as the deployed encoder takes one."""

from typing import Any

import numpy as np

from evals import Encoder
from runner.worker.flops import FlopCounter

Row = dict[str, Any]
# A text of the usual length costs what any does, as all are padded to one length
TEXT = "a photo"


def inference_rows(encoder: Encoder, image_px: int, task: int) -> list[Row]:
    """Return rows of `statistic`: `inference_flops`, of an image and of a text.

    An ensemble is charged for each of its members. What evaluations do with the embeddings is not
    in it.
    """
    image = np.zeros((1, 3, image_px, image_px), dtype=np.uint8)
    with FlopCounter() as of_image:
        encoder.encode_images(image)
    with FlopCounter() as of_text:
        encoder.encode_texts([TEXT])
    rows = []
    for part, counter in (("image", of_image), ("text", of_text)):
        value = float(counter.get_total_flops())
        rows.append({"task": task, "name": "inference_flops", "part": part, "value": value})
    return rows
