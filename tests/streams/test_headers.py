"""The headers of a shard read in one pass: the same members as `tarfile` finds, whatever wrote them."""

import io
import tarfile
from pathlib import Path

import pytest

from streams import DatasetError
from streams.formats import _headers
from streams.formats._headers import headers, pairs_of
from streams.formats._tars import members


def write(file: Path, names: list[str], form: int, mtime: float = 0) -> None:
    with tarfile.open(file, "w", format=form) as tar:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for number, name in enumerate(names):
            about = tarfile.TarInfo(name)
            about.size, about.mtime = 300 * number, mtime
            tar.addfile(about, io.BytesIO(b"x" * about.size))


NAMES = ["0.jpg", "0.txt", "./1.jpg", "folder/2.input.jpg", "naïve.txt"]
LONG = [*NAMES, "d" * 90 + "/" + "e" * 60 + ".jpg"]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("names", [NAMES, LONG])
@pytest.mark.parametrize("mtime", [0, 1700000000.25])
def test_the_members_are_those_of_tarfile(
    form: int, names: list[str], mtime: float, tmp_path: Path
) -> None:
    file = tmp_path / "0.tar"
    write(file, names, form, mtime if form == tarfile.PAX_FORMAT else int(mtime))
    assert list(headers(file)) == list(members(file))


def test_times_of_a_fraction_of_a_second_are_no_reason_to_be_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As img2dataset writes them, in a header before each member."""
    file = tmp_path / "0.tar"
    write(file, NAMES[:4], tarfile.PAX_FORMAT, 1700000000.25)
    expected = list(members(file))
    monkeypatch.setattr(_headers, "members", lambda file: 1 / 0)
    assert list(headers(file)) == expected


@pytest.mark.parametrize("left", [700, 1700, 300])
def test_a_shard_that_is_cut_off_is_refused(left: int, tmp_path: Path) -> None:
    """Within a member, or a header."""
    file = tmp_path / "0.tar"
    write(file, ["0.jpg", "0.txt", "1.jpg", "1.txt"], tarfile.USTAR_FORMAT)
    file.write_bytes(file.read_bytes()[:left] if left == 300 else file.read_bytes()[: 2048 + left])
    with pytest.raises(DatasetError, match=r"0\.tar is not a whole, uncompressed tar file"):
        list(headers(file))


@pytest.mark.parametrize("content", [b"", b"<html>404</html>" * 100, b"\x1f\x8b" + b"x" * 2000])
def test_what_is_no_tar_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "0.tar"
    file.write_bytes(content)
    with pytest.raises(DatasetError, match=r"0\.tar is not a whole, uncompressed tar file"):
        list(headers(file))


def test_a_tar_of_nothing_has_no_pairs(tmp_path: Path) -> None:
    file = tmp_path / "0.tar"
    file.write_bytes(bytes(10240))
    assert pairs_of(file, "", ".txt") == []
