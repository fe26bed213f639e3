"""A process that has imported what is slow to import, and forks one for each run of pytest.

`python -m tests.mutations.warm` is the process; `Warm` starts it and asks it, a line of JSON each.
It imports nothing of the tree that changes from one run to the next.
"""

import atexit
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

# Those of the tests that take longest to import
LIBRARIES = ("pytest", "numpy", "duckdb", "sqlmodel", "polars", "torch", "torchvision", "open_clip")
OPTIONS = ("-q", "-m", "not slow and not gpu", "-p", "no:cacheprovider", "-p", "no:xdist")
# A plugin that a library has imported is as good without pytest's own asserts
IGNORED = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
# A change may ask for any memory, write any file, or begin a process that never ends
MOST_BYTES = 12 * 2**30
MOST_PROCESS_S = 900
# A test may wait so many times longer than it may compute
PATIENCE = 10
# pytest's exit codes: all passed, there were none, and it was told to stop (or a file of tests
# could not be imported)
PASSED, NONE, STOPPED = 0, 5, 2
# Those above are of arguments and plugins that pytest cannot use, never of a change
WRONG = (3, 4)
# In place of the code of a process that ended within a test: 0 would look like a success
ENDED = 70


@dataclass(frozen=True, kw_only=True)
class Request:
    """A run of pytest: its arguments, and what `watching.Watching` is told."""

    arguments: Sequence[str]
    words: Sequence[str] = ()
    limit_s: float = 60.0
    most_s: float = 1e9
    # These tests alone, each of them although one fails
    only: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What became of a run: pytest's exit code, negative a signal's, and the last test."""

    code: int
    test: str
    failed: list[str]
    cpu_s: float

    @property
    def passed(self) -> bool:
        """Whether no test failed, of those that were begun."""
        if self.code == STOPPED:
            return not self.failed
        return self.code in (PASSED, NONE)


class Warm:
    """The process as seen by who asks it.

    With `catalogs` it has also imported what most tests need of the tree, and made their catalogs
    (`tests.template`), so it is not for changes of what these are made by: `loaded`.
    """

    def __init__(self, tree: Path, catalogs: bool = False) -> None:
        # Before the checkout, which an editable installation puts on the path
        environment = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.mutations.warm", *(["catalogs"] if catalogs else [])],
            cwd=tree,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        # Paths of the tree's modules that are in the process already
        self.loaded = frozenset(json.loads(self._line()))

    def ask(self, request: Request) -> Answer:
        """Run tests in a process of their own; return what became of them."""
        assert self.process.stdin is not None
        print(json.dumps(asdict(request)), file=self.process.stdin, flush=True)
        return Answer(**json.loads(self._line()))

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the process that runs the tests has ended")
        return line


def serve(catalogs: bool) -> None:
    """Say what of the tree is loaded, then answer each line of the input with one of the output."""
    # What a library prints while it is imported is no answer
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    needed = Path("pyproject.toml").read_text()
    for name in LIBRARIES:
        if name in needed:
            import_module(name)
    if catalogs:
        _make_catalogs()
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    tree = Path.cwd()
    inside = [Path(file) for file in files if file and Path(file).is_relative_to(tree)]
    loaded = sorted(str(file.relative_to(tree)) for file in inside)
    print(json.dumps(loaded), file=answers, flush=True)
    for line in sys.stdin:
        answer = _answer(Request(**json.loads(line)))
        print(json.dumps(asdict(answer)), file=answers, flush=True)


def _make_catalogs() -> None:
    """Make what `tests.template` copies, and import what it is made by."""
    from tests import filled, once, template

    assert filled.DATASETS
    atexit.register(once.open_place())
    # In a process of its own, as one that has used DuckDB must not be forked
    child = os.fork()
    if not child:
        for kind in template.MADE:
            template.made(kind)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        raise RuntimeError("the catalogs of the tests cannot be made")
    for kind in template.MADE:
        template.made(kind)
    # What else tests make once is made by each change anew
    once.place.cache_clear()


def _answer(request: Request) -> Answer:
    """Fork a process that runs pytest, wait for it and end what it leaves."""
    memory = Path("/dev/shm")
    above = memory if os.access(memory, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="weir-m-", dir=above))
    place, failed = folder / "test", folder / "failed"
    before = os.times()
    child = os.fork()
    if not child:
        _child(request, folder, place, failed)
    status = _wait(child, place, PATIENCE * request.limit_s)
    # What its tests have left
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    after = os.times()
    code = os.waitstatus_to_exitcode(status)
    if code >= 0 and place.exists() and not failed.exists():
        # A test was begun, and pytest never returned
        code = ENDED
    answer = Answer(
        code=code,
        test=place.read_text() if place.exists() else "",
        failed=failed.read_text().splitlines() if failed.exists() else [],
        cpu_s=round(sum(after[2:4]) - sum(before[2:4]), 2),
    )
    output = (folder / "output").read_text()
    shutil.rmtree(folder, ignore_errors=True)
    if answer.code in WRONG:
        raise RuntimeError(f"pytest ended with {answer.code}:\n{output}")
    return answer


def _wait(child: int, place: Path, patience_s: float) -> int:
    """Wait for a process; kill it and its group when one test takes longer than that."""
    begun = time.time()
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        # Touched as each test begins
        since = place.stat().st_mtime if place.exists() else begun
        if time.time() - since > patience_s:
            os.killpg(child, signal.SIGKILL)
            return os.waitpid(child, 0)[1]
        time.sleep(0.05)


def _child(request: Request, folder: Path, place: Path, failed: Path) -> None:
    """Run pytest and end this process with its exit code."""
    code: Any = 3
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_PROCESS_S, MOST_PROCESS_S))
        with Path(os.devnull).open() as nothing, (folder / "output").open("w") as output:
            os.dup2(nothing.fileno(), 0)
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        # Removed with all that the tests leave, also those that are killed
        os.environ["TMPDIR"] = str(folder)
        tempfile.tempdir = None
        import pytest

        from tests.mutations.watching import Watching

        watching = Watching(place, request.words, request.limit_s, request.most_s, request.only)
        ending = "--continue-on-collection-errors" if request.only else "-x"
        options = [*OPTIONS, *IGNORED, ending]
        code = int(pytest.main([*options, *request.arguments], plugins=[watching]))
        failed.write_text("".join(f"{name}\n" for name in watching.failed))
    # Whatever went wrong is said by the process that asked
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve(catalogs="catalogs" in sys.argv[1:])
