"""What kind of disk a path is on, what lies in the way of a file, and the words that are near."""

import os
from pathlib import Path

import pytest

from schema.files import (
    make_folder,
    move_into_place,
    network_disk,
    open_lock,
    remove_file,
)
from schema.words import nearest

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sdb1 /home/local xfs rw 0 0
server:/scratch /scratch/ lustre rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lab", None),
        ("/home", "nfs4"),
        ("/home/me/lab", "nfs4"),
        ("/homes/me", None),
        ("/home/local/lab", None),
        ("/scratch/lab", "lustre"),
    ],
)
def test_the_innermost_mount_says_the_kind(tmp_path: Path, path: str, kind: str | None) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    assert network_disk(Path(path), mounts) == kind


def test_without_a_list_of_mounts_nothing_is_said(tmp_path: Path) -> None:
    assert network_disk(Path("/home"), tmp_path / "none") is None


def test_near_words() -> None:
    assert nearest("lorra", ["lora", "full"]) == " Did you mean 'lora'?"
    assert nearest("ab", ["abc", "abd", "xyz"]) == " Did you mean 'abd' or 'abc'?"
    assert nearest("lora", ["full"]) == ""


def test_a_link_to_a_disk_that_is_not_mounted_stays(tmp_path: Path) -> None:
    link = tmp_path / "snapshot"
    link.symlink_to(tmp_path / "unmounted")
    with pytest.raises(FileExistsError):
        make_folder(link)
    with pytest.raises(FileNotFoundError):
        open_lock(link / "0.lock")
    assert link.is_symlink()


def test_what_lies_in_the_place_of_a_file_is_kept(tmp_path: Path) -> None:
    for name in ("moved", "removed", "locked"):
        (tmp_path / name / "something").mkdir(parents=True)
    (tmp_path / "aside").write_text("whole")
    move_into_place(tmp_path / "aside", tmp_path / "moved")
    remove_file(tmp_path / "removed")
    os.close(open_lock(tmp_path / "locked"))
    assert (tmp_path / "moved").read_text() == "whole"
    assert not (tmp_path / "removed").exists() and (tmp_path / "locked").is_file()
    assert len(list(tmp_path.glob("*.in-the-way-*/something"))) == 3
