"""The headers of a regular shard, read by columns: the same places as one by one, and whatever is not regular is left alone."""

import io
import random
import tarfile
from pathlib import Path

import numpy as np
import pytest

from streams.formats._headers import pairs_of, places_of
from streams.formats._regular_shards import spans_of

FORMS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def write(file: Path, names: list[str], form: int = tarfile.USTAR_FORMAT, mtime: float = 0) -> None:
    with tarfile.open(file, "w", format=form) as tar:
        for number, name in enumerate(names):
            about = tarfile.TarInfo(name)
            about.size, about.mtime = 37 * number % 1600, mtime
            tar.addfile(about, io.BytesIO(bytes(about.size)))


def one_by_one(file: Path, image: str = "", text: str = ".txt") -> np.ndarray:
    return np.array([where for _, where in pairs_of(file, image, text)], np.int64).reshape(-1, 4)


def samples(endings: list[str], count: int = 40, folder: str = "") -> list[str]:
    return [f"{folder}{number:06}{ending}" for number in range(count) for ending in endings]


REGULAR = {
    "a picture and a text": samples([".jpg", ".txt"]),
    "img2dataset's": samples([".jpg", ".json", ".txt"]),
    "large letters": samples([".JPG", ".TXT"]),
    "further dots": samples([".input.jpg", ".txt"]),
    "in folders": samples([".txt", ".png"], folder="some/folder.of/"),
    "from here": samples([".txt", ".png"], folder="./"),
    "keys of any length": [f"{10**n}{e}" for n in range(12) for e in (".webp", ".txt")],
    "long names": samples([".jpg", ".txt"], folder="d" * 80 + "/"),
    "two pictures": samples([".png", ".jpg", ".txt"]),
    "one name twice": samples([".jpg", ".txt", ".jpg"]),
    "no text": samples([".jpg", ".json"]),
    "no picture": samples([".txt"]),
    "one sample": ["0.jpg", "0.txt"],
}
ODD = {
    "a sample without a text": [*samples([".jpg", ".txt"]), "last.jpg"],
    "one without a picture": ["first.txt", *samples([".jpg", ".txt"])],
    "other endings": [*samples([".jpg", ".txt"]), "last.png", "last.txt"],
    "another order": [*samples([".jpg", ".txt"]), "last.txt", "last.jpg"],
    "a sample that goes on later": [*samples([".jpg", ".txt"]), "000003.jpg", "000003.txt"],
    "hidden": [*samples([".jpg", ".txt"]), ".h.jpg", ".h.txt"],
    "no ending": [*samples([".jpg", ".txt"]), "README", "LICENSE"],
    "not ASCII": [*samples([".jpg", ".txt"]), "naïve.jpg", "naïve.txt"],
    "very long names": samples([".jpg", ".txt"], folder="d" * 90 + "/" + "e" * 60),
    "one way and another": [*samples([".jpg", ".txt"]), "./000003.jpg", "./000003.txt"],
    "nothing": [],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mtime", [0, 1700000000.25])
@pytest.mark.parametrize("name", REGULAR)
def test_a_regular_shard_is_read_at_once(
    name: str, form: int, mtime: float, tmp_path: Path
) -> None:
    """The same places as one by one."""
    file = tmp_path / "0.tar"
    write(file, REGULAR[name], form, mtime if form == tarfile.PAX_FORMAT else int(mtime))
    for image, text in (("", ".txt"), ("input.jpg", ".txt"), ("", ".json")):
        spans = spans_of(file, image, text)
        assert spans is not None and spans.dtype == np.int64
        assert np.array_equal(spans, one_by_one(file, image, text))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ODD)
def test_any_other_is_read_one_by_one(name: str, form: int, tmp_path: Path) -> None:
    file = tmp_path / "0.tar"
    write(file, ODD[name], form)
    assert spans_of(file, "", ".txt") is None
    assert np.array_equal(places_of(file, "", ".txt"), one_by_one(file))


def test_whatever_stands_behind_a_name_is_no_part_of_it(tmp_path: Path) -> None:
    """Some tools leave there what was in their memory."""
    file = tmp_path / "0.tar"
    write(file, REGULAR["a picture and a text"])
    content = bytearray(file.read_bytes())
    content[11:15] = b"\0.tx"
    file.write_bytes(bytes(content))
    spans = spans_of(file, "", ".txt")
    assert spans is not None and np.array_equal(spans, one_by_one(file))


def test_random_bytes_in_headers_are_read_as_one_by_one_or_not_at_all(tmp_path: Path) -> None:
    """What is read at once is what the other way reads, wherever a byte is another."""
    file, rng = tmp_path / "0.tar", random.Random(5)
    write(file, samples([".jpg", ".txt"], 6))
    whole = file.read_bytes()
    for _ in range(600):
        content = bytearray(whole)
        place = rng.randrange(len(content) // 512) * 512 + rng.choice(
            [*range(110), *range(124, 136), 156, *range(257, 263), 345]
        )
        content[place] = rng.choice([0, 46, 47, 48, 49, 120, 53, 200, rng.randrange(256)])
        file.write_bytes(bytes(content))
        spans = spans_of(file, "", ".txt")
        if spans is not None:
            assert np.array_equal(spans, one_by_one(file))
