"""A contact sheet: images of a dataset, each with one of its training captions.

A caption is drawn in the first font of this machine that has all its letters. A letter that no font
has is written as its code, `<U+9CE5>`; a text file beside the sheet holds the captions in full.
"""

import textwrap
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from streams import Pairs

COLUMNS = 4
# The side of an image on the sheet.
TILE_PX = 224
# The height of the space for a caption.
TEXT_PX = 80
MARGIN_PX = 12
# How many letters a line of a caption holds.
LETTERS = 34
LINES = 4
# The heights of the letters.
CAPTION_PX, TITLE_PX = 13, 18
# A code that no font has: a font draws its sign for a missing letter in place of it.
NO_LETTER = "\U0010ffff"
# Folders of fonts, and names that are tried first since these fonts cover many scripts.
FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts", "~/.fonts")
WIDE = ("NotoSansCJK-Regular", "NotoSans-Regular", "DejaVuSans", "Unifont", "ArialUnicode")

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def drawn(pairs: Pairs, places: np.ndarray, title: str) -> Image.Image:
    """Draw the pairs at `places` (B,), four per row, below a title; it is deterministic."""
    images, captions = pairs.images(places), _captions(pairs, places)
    rows = -(-len(places) // COLUMNS)
    width = MARGIN_PX + COLUMNS * (TILE_PX + MARGIN_PX)
    sheet = Image.new("RGB", (width, 4 * MARGIN_PX + rows * (TILE_PX + TEXT_PX)), "white")
    pen = ImageDraw.Draw(sheet)
    _write(pen, (MARGIN_PX, MARGIN_PX), [title], TITLE_PX)
    for place, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left = MARGIN_PX + place % COLUMNS * (TILE_PX + MARGIN_PX)
        top = 4 * MARGIN_PX + place // COLUMNS * (TILE_PX + TEXT_PX)
        tile = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
        smooth = Image.Resampling.NEAREST if tile.width < TILE_PX // 2 else Image.Resampling.BICUBIC
        sheet.paste(tile.resize((TILE_PX, TILE_PX), smooth), (left, top))
        lines = textwrap.wrap(caption, LETTERS, max_lines=LINES, placeholder=" ...")
        _write(pen, (left, top + TILE_PX + 4), lines or ["(no caption)"], CAPTION_PX)
    return sheet


def written(pairs: Pairs, places: np.ndarray) -> str:
    """Return the captions of a sheet, one per line, in order."""
    lines = [" ".join(caption.split()) for caption in _captions(pairs, places)]
    return "\n".join(lines) + "\n"


def _captions(pairs: Pairs, places: np.ndarray) -> list[str]:
    return pairs.captions(places, np.random.default_rng(0))


def _write(pen: ImageDraw.ImageDraw, corner: tuple[int, int], lines: list[str], px: int) -> None:
    text = "\n".join(lines)
    font = _font_for(text, px)
    pen.multiline_text(corner, _spelled(text, font), "black", font)


def _font_for(text: str, px: int) -> Font:
    """Return the first font that has all letters of a text, or the one that lacks the fewest."""
    usual = ImageFont.load_default(px)
    if text.isascii():
        return usual
    fonts = [usual]
    for path in _font_files():
        try:
            fonts.append(ImageFont.truetype(path, px))
        except OSError:
            # The folders also hold files that are no fonts.
            continue
        if not _missing(text, fonts[-1]):
            return fonts[-1]
    return min(fonts, key=lambda font: len(_missing(text, font)))


@cache
def _font_files() -> list[str]:
    """Return the font files of this machine, those of many scripts first."""
    files: list[Path] = []
    for folder in FOLDERS:
        for ending in ("ttf", "otf", "ttc"):
            files += Path(folder).expanduser().rglob(f"*.{ending}")
    return sorted(map(str, files), key=lambda path: (Path(path).stem not in WIDE, path))


def _missing(text: str, font: Font) -> set[str]:
    """Return the letters of a text that a font draws as its sign for a missing one."""
    sign = bytes(font.getmask(NO_LETTER))
    missing = set[str]()
    for letter in set(text):
        # Every font has the letters of ASCII, and blanks draw nothing that could be compared.
        if letter.isascii() or letter.isspace():
            continue
        if bytes(font.getmask(letter)) == sign:
            missing.add(letter)
    return missing


def _spelled(text: str, font: Font) -> str:
    """Return the text with each letter that the font lacks replaced by its code."""
    for letter in _missing(text, font):
        text = text.replace(letter, f"<U+{ord(letter):04X}>")
    return text
