"""A contact sheet: images of a dataset, each with a caption that a model would learn it by."""

import textwrap

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from streams import Pairs

COLUMNS = 4
TILE_PX = 224  # side of an image on the sheet
TEXT_PX = 80  # height of a caption
MARGIN_PX = 12
LETTERS = 34  # in a line of a caption
LINES = 4


def drawn(pairs: Pairs, places: np.ndarray, title: str) -> Image.Image:
    """The pairs at (B,) `places`, four a row, below a title. The same pairs give the same picture."""
    images, captions = pairs.images(places), pairs.captions(places, np.random.default_rng(0))
    rows = -(-len(places) // COLUMNS)
    width = MARGIN_PX + COLUMNS * (TILE_PX + MARGIN_PX)
    sheet = Image.new("RGB", (width, 4 * MARGIN_PX + rows * (TILE_PX + TEXT_PX)), "white")
    pen, small = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    pen.text((MARGIN_PX, MARGIN_PX), title, "black", ImageFont.load_default(18))
    for place, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left = MARGIN_PX + place % COLUMNS * (TILE_PX + MARGIN_PX)
        top = 4 * MARGIN_PX + place // COLUMNS * (TILE_PX + TEXT_PX)
        tile = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
        smooth = Image.Resampling.NEAREST if tile.width < TILE_PX // 2 else Image.Resampling.BICUBIC
        sheet.paste(tile.resize((TILE_PX, TILE_PX), smooth), (left, top))
        lines = textwrap.wrap(caption, LETTERS, max_lines=LINES, placeholder=" ...") or [
            "(no caption)"
        ]
        pen.multiline_text((left, top + TILE_PX + 4), "\n".join(lines), "black", small)
    return sheet
