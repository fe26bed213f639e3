"""`python -m tests.mutations PATH ... [--sample N --seed S]`: do the tests notice small changes?

Each change of one operator, constant or condition in the files (folders: all below them) is made
in a copy of the tree, one at a time, and the nearest fast tests are run there until one fails. What
no test noticed lived, and is printed. It may be harmless (a pause between two tries), or a test is
missing.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

from tests.mutations import Mutant, python_code, sql_code
from tests.mutations.nearest import nearest_tests

ROOT = Path(__file__).resolve().parents[2]
# pytest's exit codes: all passed, and there were none
PASSED, NONE = 0, 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0, or 2 where the tests fail without any change."""
    options = _parser().parse_args(arguments)
    everything = []
    for path in _files(options.paths):
        code = sql_code if path.endswith(".sql") else python_code
        everything += code.mutants(path, (ROOT / path).read_text())
    chosen = everything
    if options.sample is not None and options.sample < len(everything):
        chosen = random.Random(options.seed).sample(everything, options.sample)
    print(f"{len(chosen)} of {len(everything)} changes", flush=True)
    with tempfile.TemporaryDirectory(prefix="weir-mutations-") as folder:
        trees = [_copy(Path(folder) / str(number)) for number in range(options.jobs)]
        tests = {mutant.path: nearest_tests(ROOT, mutant.path) for mutant in chosen}
        broken = _broken(trees[0], tests)
        if broken:
            print(f"these fail without any change: {' '.join(broken)}", file=sys.stderr)
            return 2
        lived = _lived(trees, chosen, tests, options.timeout)
    killed = len(chosen) - len(lived)
    print(f"{killed} of {len(chosen)} noticed ({100 * killed / max(1, len(chosen)):.0f} %); lived:")
    for mutant in lived:
        print(f"  {mutant}")
    return 0


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutations",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="files or folders of the source")
    parser.add_argument("--sample", type=int, metavar="N", help="as many changes, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--jobs", type=int, default=1, help="changes that are tried side by side")
    parser.add_argument(
        "--timeout", type=float, default=300, help="seconds after which a change counts as noticed"
    )
    return parser


def _files(paths: Sequence[str]) -> list[str]:
    """Return the Python and SQL files at or below paths, relative to the root."""
    files = []
    for path in paths:
        absolute = (ROOT / path).resolve()
        found = sorted(absolute.rglob("*")) if absolute.is_dir() else [absolute]
        for file in found:
            if file.suffix in (".py", ".sql"):
                files.append(str(file.relative_to(ROOT)))
    return files


def _copy(tree: Path) -> Path:
    """Copy what git tracks, and new files, into a folder, so that the checkout stays as it is."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listing.stdout.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tree / name)
    return tree


def _broken(tree: Path, tests: dict[str, list[list[str]]]) -> list[str]:
    """Return the tests that do not pass on the unchanged tree."""
    groups = {tuple(group) for groups in tests.values() for group in groups}
    return [" ".join(group) for group in sorted(groups) if _fails(tree, group, None)]


def _lived(
    trees: list[Path],
    mutants: Sequence[Mutant],
    tests: dict[str, list[list[str]]],
    timeout: float,
) -> list[Mutant]:
    """Return the changes that no test noticed."""
    free: Queue[Path] = Queue()
    for tree in trees:
        free.put(tree)

    def noticed(mutant: Mutant) -> bool:
        tree = free.get()
        try:
            answer = _noticed(tree, mutant, tests[mutant.path], timeout)
        finally:
            free.put(tree)
        print(f"{'noticed' if answer else 'LIVED  '} {mutant}", flush=True)
        return answer

    with ThreadPoolExecutor(len(trees)) as pool:
        answers = list(pool.map(noticed, mutants))
    return [mutant for mutant, answer in zip(mutants, answers, strict=True) if not answer]


def _noticed(tree: Path, mutant: Mutant, groups: list[list[str]], timeout: float) -> bool:
    """Make a change in a tree, run the tests until one fails, and take it back."""
    file = tree / mutant.path
    text = file.read_text()
    file.write_text(mutant.applied(text))
    try:
        return any(_fails(tree, group, timeout) for group in groups)
    finally:
        file.write_text(text)


def _fails(tree: Path, tests: Sequence[str], timeout: float | None) -> bool:
    """Run fast tests in a tree; return whether one of them fails, or takes longer than `timeout`."""
    options = ["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider"]
    try:
        code = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *tests],
            cwd=tree,
            # Before the checkout, which an editable installation puts on the path
            env=os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=timeout,
        ).returncode
    except subprocess.TimeoutExpired:
        return True
    return code not in (PASSED, NONE)


if __name__ == "__main__":
    raise SystemExit(main())
