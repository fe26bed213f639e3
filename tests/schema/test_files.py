"""What kind of disk a path is on, by a list of mounts, and the words that are near."""

from pathlib import Path

import pytest

from schema.files import network_disk
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
