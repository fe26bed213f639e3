"""What a pass of sync says of one attempt whose files cannot be read."""

import errno
from pathlib import Path

import pytest

from runner.records import DamagedFileError
from runner.scheduler.report import Report


def test_a_problem_is_of_the_file_where_the_system_names_one_and_of_the_attempt_elsewhere(
    tmp_path: Path,
) -> None:
    attempt = tmp_path / "000042" / "01"
    file = attempt / "outcome.json"
    report = Report()
    for error in (
        OSError(errno.EACCES, "not yours", str(file)),
        OSError(errno.ENOTDIR, "broken"),
        OSError("odd"),
        DamagedFileError(file, "no JSON"),
    ):
        with report.one(attempt, "left for later"):
            raise error
    assert report.problems == [
        ("000042/01/outcome.json", "not yours; left for later"),
        ("000042/01", "broken; left for later"),
        ("000042/01", "odd; left for later"),
        ("000042/01/outcome.json", "no JSON; left for later"),
    ]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_what_concerns_the_whole_lab_ends_the_pass(tmp_path: Path, code: int) -> None:
    report = Report()
    with pytest.raises(OSError, match="all of it"), report.one(tmp_path, "left for later"):
        raise OSError(code, "all of it", str(tmp_path))
    assert not report.problems
