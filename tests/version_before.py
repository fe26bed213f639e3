"""The version before this one, as it was released: its code, and commands that run it.

`tests/golden/weir-0.1.0.tar.xz` holds the packages of the source tree of version 0.1.0. A test that
wants a catalog, run folders and queued jobs of that version lets that code make them.
"""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

ARCHIVE = Path(__file__).parent / "golden/weir-0.1.0.tar.xz"


def unpacked(folder: Path) -> Path:
    """Unpack the code into a new folder below `folder`, and return that folder."""
    code = folder / "weir 0.1.0"
    # Python 3.11 has filters of what is unpacked since 3.11.4 only, and Debian 12 has 3.11.2
    only_data = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(code, **only_data)
    return code


def run(
    code: Path, lab: Path, *arguments: str, crash_at: str | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run `python -m <arguments>` of the version in `code`, in the working folder `lab`.

    crash_at: the crash point at which the command, or a worker that it starts, kills itself.
    """
    environment = os.environ | {"PYTHONPATH": str(code)}
    if crash_at is not None:
        environment["WEIR_CRASH_AT"] = crash_at
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(
        command, cwd=lab, env=environment, text=True, capture_output=True, timeout=300
    )


def declare(code: Path, lab: Path, site: str, grid: str) -> None:
    """Make a lab of that version: its site.toml, its catalog, and a grid in it."""
    (lab / "site.toml").write_text(site)
    (lab / "grid.sql").write_text(grid)
    declared = run(code, lab, "schema", "grid.sql")
    assert declared.returncode == 0, declared.stdout + declared.stderr
