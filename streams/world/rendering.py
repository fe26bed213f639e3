"""Draws the procedural world: pure functions from arrays of factors to uint8 images.

The same factors give the same bytes on one kind of machine; on another, a last bit of a sine may
round a grey level elsewhere.

Shapes: n images, P x P pixels. An image has one shape, drawn `count` times; everything else is an
array over images.
"""

from dataclasses import dataclass

import numpy as np

from streams.world.shapes import BINS

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (220, 30, 30), "green": (30, 170, 50), "blue": (40, 70, 230),
    "yellow": (240, 220, 30), "orange": (245, 135, 20), "purple": (140, 40, 190),
    "pink": (250, 140, 190), "brown": (125, 75, 30), "cyan": (30, 210, 220),
    "white": (245, 245, 245),
}  # fmt: skip
BACKGROUNDS: dict[str, int] = {"dark": 18, "grey": 80, "pale": 150}
# Radii, where the image is 2 wide.
SIZES: dict[str, float] = {
    "small": 0.40,
    "medium": 0.54,
    "large": 0.70,
}
POSITIONS: dict[str, tuple[float, float]] = {
    "top left": (-1, -1), "top": (0, -1), "top right": (1, -1),
    "left": (-1, 0), "center": (0, 0), "right": (1, 0),
    "bottom left": (-1, 1), "bottom": (0, 1), "bottom right": (1, 1),
}  # fmt: skip
# The distance of an object from the middle, for any size; with less, the places of large objects
# look alike.
PLACE = 0.45
TEXTURES = ("solid", "striped", "dotted", "checkered", "ringed")
COUNTS = ("one", "two", "three", "four")
CHUNK = 512


@dataclass
class Factors:
    """The factors that n images show; every array is over images."""

    # The row in the table of radii.
    shape: np.ndarray
    # The row of PALETTE.
    colour: np.ndarray
    # The row of PALETTE for the second colour of a texture; -1: a darker tone of the first.
    second: np.ndarray
    # Index into TEXTURES; 5: the weave given by `weave`; 6: a core and a rim.
    texture: np.ndarray
    # (n, 3) frequency, angle, kind.
    weave: np.ndarray
    # Index into SIZES.
    size: np.ndarray
    # Index into POSITIONS.
    position: np.ndarray
    # Index into BACKGROUNDS.
    background: np.ndarray
    # How many objects, 1 to 4.
    count: np.ndarray
    # In radians.
    turn: np.ndarray
    # (n, 2): offset from its place, in pixels of an image of 32 x 32.
    jitter: np.ndarray

    def some(self, rows: np.ndarray | slice) -> "Factors":
        """Return the factors of a subset of the images."""
        return Factors(**{name: values[rows] for name, values in vars(self).items()})


WEAVE, DUO = 5, 6
PALETTE = np.array(list(COLOURS.values()), np.float32)


def render(factors: Factors, tables: np.ndarray, image_px: int) -> np.ndarray:
    """Draw images (n, 3, P, P), uint8; `tables` are the shapes' radii, (shapes, 256) float32."""
    count = len(factors.shape)
    images = np.empty((count, 3, image_px, image_px), np.uint8)
    for begin in range(0, count, CHUNK):
        rows = slice(begin, begin + CHUNK)
        images[rows] = _render(factors.some(rows), tables, image_px)
    return images


def _render(f: Factors, tables: np.ndarray, image_px: int) -> np.ndarray:
    grey = np.array(list(BACKGROUNDS.values()), np.float32)[f.background]
    canvas = np.repeat(grey[:, None], 3, axis=1)[:, :, None, None] + np.zeros(
        (1, 1, image_px, image_px), np.float32
    )
    first = PALETTE[f.colour]
    second = np.where(f.second[:, None] >= 0, PALETTE[f.second], 0.3 * first)
    axis = (np.arange(image_px, dtype=np.float32) + 0.5) / image_px * 2 - 1
    for number in range(int(f.count.max(initial=1))):
        drawn = np.flatnonzero(f.count > number)
        x, y, scale = _place(f.some(drawn), number, image_px)
        dx = (axis[None, None, :] - x[:, None, None]) / scale[:, None, None]
        dy = (axis[None, :, None] - y[:, None, None]) / scale[:, None, None]
        cos, sin = np.cos(f.turn[drawn])[:, None, None], np.sin(f.turn[drawn])[:, None, None]
        u, v = cos * dx + sin * dy, cos * dy - sin * dx
        cover = _cover(u, v, tables[f.shape[drawn]], scale * image_px / 2)
        tone = _tone(u, v, axis, f.texture[drawn], f.weave[drawn])[:, None]
        paint = tone * first[drawn][:, :, None, None] + (1 - tone) * second[drawn][:, :, None, None]
        canvas[drawn] += cover[:, None] * (paint - canvas[drawn])
    return (canvas + 0.5).clip(0, 255).astype(np.uint8)


def _place(f: Factors, number: int, image_px: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the centre (x, y) and the scale of an object in each image, which spans [-1, 1]^2.

    Several objects are placed on a grid of four.
    """
    scale = np.array(list(SIZES.values()), np.float32)[f.size]
    grid = np.array(list(POSITIONS.values()), np.float32)[f.position]
    centre = grid * PLACE
    several = f.count > 1
    corner = np.array([(-0.5, -0.5), (0.5, 0.5), (0.5, -0.5), (-0.5, 0.5)], np.float32)[number]
    centre = np.where(several[:, None], corner, centre) + f.jitter * (2 / 32)
    scale = np.where(several, 0.36, scale).astype(np.float32)
    return centre[:, 0].astype(np.float32), centre[:, 1].astype(np.float32), scale


def _cover(u: np.ndarray, v: np.ndarray, radii: np.ndarray, scale_px: np.ndarray) -> np.ndarray:
    """Return the share of each pixel inside the outline, from the distance along its normal."""
    rho = np.hypot(u, v)
    place = np.arctan2(v, u) * (BINS / (2 * np.pi)) % BINS
    low = place.astype(np.int64) % BINS
    part = place - np.floor(place)
    rows = np.arange(len(radii))[:, None, None]
    here, there = radii[rows, low], radii[rows, (low + 1) % BINS]
    radius = here + part * (there - here)
    # At a jump of the outline the slope is meaningless, so it is bounded.
    slope = ((there - here) * (BINS / (2 * np.pi)) / radius).clip(-4, 4)
    distance = (radius - rho) / np.sqrt(1 + slope**2) * scale_px[:, None, None]
    inside: np.ndarray = (distance + 0.5).clip(0, 1)
    return inside


def _tone(
    u: np.ndarray, v: np.ndarray, axis: np.ndarray, texture: np.ndarray, weave: np.ndarray
) -> np.ndarray:
    """Return the share of the first colour at each pixel, with edges smooth at 32 pixels.

    The textures of the base are fixed to the image, with periods that divide 8 of 32 pixels: a
    linear patch embedding sees them at once, while a tiny CLIP hardly learns those that move with
    the object. Rings, weaves and cores move with it.
    """
    rho, t, pi = np.hypot(u, v), texture[:, None, None], np.pi
    fine_x, fine_y = (
        np.sin(8 * pi * along) for along in (axis[None, None, :], axis[None, :, None])
    )
    coarse_x, coarse_y = (
        np.sin(4 * pi * along) for along in (axis[None, None, :], axis[None, :, None])
    )
    fixed = (1.2 * fine_y, 1.6 * fine_x * fine_y - 0.3, 3 * coarse_x * coarse_y)
    moving = (np.cos(2.8 * pi * rho), _wave(u, v, rho, weave), (0.62 - rho) * 6)
    level = np.select(
        [t == 1, t == 2, t == 3, t == 4, t == WEAVE, t == DUO], [*fixed, *moving], 1.0
    )
    share: np.ndarray = (0.5 + 1.5 * level).clip(0, 1).astype(np.float32)
    return share


def _wave(u: np.ndarray, v: np.ndarray, rho: np.ndarray, weave: np.ndarray) -> np.ndarray:
    """Return each image's weave in [-2, 2]: stripes, a grid, rings or ripples."""
    frequency, angle, kind = (weave[:, k][:, None, None] for k in range(3))
    along = np.cos(angle) * u + np.sin(angle) * v
    across = np.cos(angle) * v - np.sin(angle) * u
    beat = 2 * np.pi * frequency
    wave: np.ndarray = np.select(
        [kind == 0, kind == 1, kind == 2],
        [
            np.sin(beat * along),
            2 * np.sin(beat * along) * np.sin(beat * across),
            np.sin(beat * rho + angle),
        ],
        np.sin(beat * along + 2 * np.sin(np.pi * across)),
    )
    return wave
