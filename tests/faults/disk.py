"""A disk that can be full or read-only: a small one of its own, or, where none may be mounted, a
bound on the size of files.
"""

import contextlib
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE_MB = 64


class Disk:
    """The disk of a folder, which is empty to begin with."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "weir-tests", str(path)]
        self.mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0

    @contextmanager
    def full(self) -> Iterator[None]:
        """No file can grow (of more than a few kB, where no disk could be mounted)."""
        if not self.mounted:
            with bounded(
                max(
                    [
                        8192,
                        *(path.stat().st_size for path in self.path.rglob("*") if path.is_file()),
                    ]
                )
            ):
                yield
            return
        filler = self.path / "filler"
        with filler.open("wb") as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * 2**16)
                file.flush()
        try:
            yield
        finally:
            filler.unlink()

    def remount(self, option: str) -> None:
        """`ro` or `rw`."""
        subprocess.run(["mount", "-o", f"remount,{option}", str(self.path)], check=True)

    def unmount(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.path)], check=True)


@contextmanager
def bounded(size: int) -> Iterator[None]:
    """No file of this process and its children can grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
