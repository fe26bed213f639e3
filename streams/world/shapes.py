"""Outlines of the procedural world. Every shape is a table of polar radii, so that known, named and
random ones share one renderer.

The random ones follow the recipe of Infinite dSprites (Dziadzio et al., 2023, MIT licence): 5 to 8
vertices at jittered angles, with radii from N(1, 0.4), joined by straight lines or by a periodic
cubic.
"""

import hashlib
from collections.abc import Callable
from functools import cache

import numpy as np

BINS = 256
ANGLES = np.arange(BINS) * (2 * np.pi / BINS)
KNOWN = (
    "circle",
    "oval",
    "square",
    "triangle",
    "star",
    "cross",
    "bar",
    "flower",
    "moon",
    "heart",
    "drop",
    "arrow",
)


def rng_of(*words: str | int) -> np.random.Generator:
    """Return a random generator that depends only on `words`, on every machine."""
    text = "/".join(str(word) for word in words)
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))


@cache
def known(name: str) -> np.ndarray:
    """Return the radii of one of KNOWN, (256,) float32, with a mean square of 1."""
    a = ANGLES
    curves: dict[str, Callable[[], np.ndarray]] = {
        "circle": lambda: np.ones(BINS),
        "oval": lambda: 1 / np.hypot(np.cos(a) / 1.6, np.sin(a) / 0.75),
        "square": lambda: _regular(4, np.pi / 4),
        "triangle": lambda: _regular(3, -np.pi / 2),
        "star": lambda: _polygon(*_spikes(5, 0.42)),
        "cross": lambda: _polygon(*_cross(0.36)),
        "bar": lambda: np.minimum(
            1.0 / np.abs(np.cos(a)).clip(1e-6), 0.3 / np.abs(np.sin(a)).clip(1e-6)
        ),
        "flower": lambda: 1 - 0.5 * np.cos(4 * a),
        "moon": lambda: np.where(np.cos(a) < 0.4, 1.0, 0.3),
        "heart": lambda: (
            0.9
            + 0.45 * np.sin(a)
            + 0.55 * np.abs(np.cos(a)) ** 1.5
            - 0.35 * np.exp(-(((a - 1.5 * np.pi) / 0.35) ** 2))
        ),
        "drop": lambda: 0.72 + 0.85 * np.exp(-(((a - 1.5 * np.pi) / 0.38) ** 2)),
        "arrow": lambda: _polygon(*_arrow()),
    }
    return _unit(curves[name]())


@cache
def blob(name: str, seed: int) -> np.ndarray:
    """Return the radii of the smooth random shape of a name, (256,) float32."""
    return _unit(np.exp(_ring(name, seed, "blob")))


@cache
def crystal(name: str, seed: int) -> np.ndarray:
    """Return the radii of the straight-edged random shape of a name, (256,) float32."""
    rng = rng_of(seed, "crystal", name)
    angles, radii = _vertices(rng)
    return _unit(_polygon(radii * np.cos(angles), radii * np.sin(angles)))


def _vertices(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    count = int(rng.integers(5, 9))
    angles = (np.arange(count) + rng.uniform(-0.25, 0.25, count)) * (2 * np.pi / count)
    return angles, rng.normal(1, 0.4, count).clip(0.35, 1.8)


def _ring(name: str, seed: int, kind: str) -> np.ndarray:
    """Return log radii of a periodic cubic through random vertices (Catmull-Rom on the circle)."""
    angles, radii = _vertices(rng_of(seed, kind, name))
    logs, count = np.log(radii), len(radii)
    place = np.searchsorted(angles, ANGLES, side="right") - 1
    begin, end = angles[place % count], angles[(place + 1) % count]
    span = (end - begin) % (2 * np.pi)
    t = ((ANGLES - begin) % (2 * np.pi)) / np.where(span == 0, 2 * np.pi, span)
    p0, p1, p2, p3 = (logs[(place + k) % count] for k in (-1, 0, 1, 2))
    linear, square, cube = p2 - p0, 2 * p0 - 5 * p1 + 4 * p2 - p3, 3 * p1 - p0 - 3 * p2 + p3
    curve: np.ndarray = 0.5 * (2 * p1 + linear * t + square * t**2 + cube * t**3)
    return curve


def _regular(corners: int, turn: float) -> np.ndarray:
    angles = turn + np.arange(corners) * (2 * np.pi / corners)
    return _polygon(np.cos(angles), np.sin(angles))


def _spikes(points: int, inner: float) -> tuple[np.ndarray, np.ndarray]:
    angles = -np.pi / 2 + np.arange(2 * points) * (np.pi / points)
    radii = np.where(np.arange(2 * points) % 2 == 0, 1.0, inner)
    return radii * np.cos(angles), radii * np.sin(angles)


def _cross(arm: float) -> tuple[np.ndarray, np.ndarray]:
    quarter = np.array([[1.0, -arm], [1.0, arm], [arm, arm]])
    turns = [
        np.array([[np.cos(t), np.sin(t)], [-np.sin(t), np.cos(t)]])
        for t in np.arange(4) * np.pi / 2
    ]
    corners = np.concatenate([quarter @ turn for turn in turns])
    return corners[:, 0], corners[:, 1]


def _arrow() -> tuple[np.ndarray, np.ndarray]:
    return np.array([1.0, 0.1, 0.1, -0.9, -0.9, 0.1, 0.1]), np.array(
        [0.0, 0.8, 0.25, 0.25, -0.25, -0.25, -0.8]
    )


def _polygon(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the radii of a polygon: along each ray from the origin, the farthest intersection."""
    dx, dy = np.roll(x, -1) - x, np.roll(y, -1) - y
    cos, sin = np.cos(ANGLES)[:, None], np.sin(ANGLES)[:, None]
    cross = cos * dy - sin * dx
    with np.errstate(divide="ignore", invalid="ignore"):
        along = (sin * x - cos * y) / cross
        radius = (x * dy - y * dx) / cross
    met = (along >= -1e-9) & (along <= 1 + 1e-9) & (radius > 0)
    farthest: np.ndarray = np.where(met, radius, 0).max(axis=1)
    return farthest


def _unit(radii: np.ndarray) -> np.ndarray:
    radii = radii.clip(0.15)
    scaled: np.ndarray = (radii / np.sqrt(np.mean(radii**2))).clip(0.2, 1.75)
    return scaled.astype(np.float32)
