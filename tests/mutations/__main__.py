"""`python -m tests.mutations PATH ... [--sample N --seed S]`: do the tests notice small changes?

Each change of one operator, constant or condition in the files (folders: all below them) is made
in a copy of the tree, one at a time, and the nearest fast tests are run there until one fails, those
first that name the function. What no test noticed lived, and is printed; it was not reached where
the tests pass even if the changed function ends the process. It may be harmless (a pause between
two tries), or a test is missing. In the end the tests that failed are run without any change.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutations import Mutant
from tests.mutations.drawing import all_mutants, drawn
from tests.mutations.records import CAUGHT, Record, Records, table
from tests.mutations.trying import Trier

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0, or 2 where a test fails without any change."""
    options = _parser().parse_args(arguments)
    everything = all_mutants(ROOT, options.paths)
    chosen = everything
    if options.sample is not None:
        chosen = drawn(ROOT, everything, options.sample, options.seed)
    print(f"{len(chosen)} of {len(everything)} changes", flush=True)
    records = Records(options.results)
    keys = {mutant: mutant.key((ROOT / mutant.path).read_text()) for mutant in chosen}
    pending = []
    for mutant in chosen:
        record = records.by_key.get(keys[mutant])
        if record is None or (options.again and record.end != CAUGHT):
            pending.append(mutant)
    broken = _try(pending, keys, records, options)
    _print_summary([records.by_key[key] for key in keys.values() if key in records.by_key])
    if broken:
        print(f"these fail without any change: {' '.join(sorted(broken))}", file=sys.stderr)
        print("What they alone caught is tried again without them by the same command.")
        return 2
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
    parser.add_argument(
        "--results", type=Path, metavar="FILE", help="a line for each; what it has is not tried"
    )
    parser.add_argument(
        "--again", action="store_true", help="try what lived in --results once more"
    )
    parser.add_argument(
        "--tests", nargs="+", metavar="TEST", help="run these in place of the nearest"
    )
    parser.add_argument("--jobs", type=int, default=1, help="changes that are tried side by side")
    parser.add_argument(
        "--limit_s",
        type=float,
        default=60,
        help="processor seconds (and ten times as many by the clock)\n"
        "after which a test's change counts as noticed",
    )
    parser.add_argument(
        "--most_s",
        type=float,
        default=60,
        help="processor seconds for a change, after which no further test is begun",
    )
    return parser


def _try(
    pending: Sequence[Mutant],
    keys: dict[Mutant, str],
    records: Records,
    options: argparse.Namespace,
) -> set[str]:
    """Try changes and note what becomes of each; return the tests that fail without any."""
    with tempfile.TemporaryDirectory(prefix="weir-mutations-") as folder:
        triers = [
            Trier(_copy(Path(folder) / str(number)), options.limit_s, options.most_s)
            for number in range(options.jobs if pending else 0)
        ]
        free = list(triers)

        def attempt(mutant: Mutant) -> None:
            # There are as many threads as triers; append and pop are atomic
            trier = free.pop()
            record = trier.attempt(mutant, keys[mutant], options.tests, records.unsound)
            free.append(trier)
            records.note(record)
            print(f"{record.end:11} {mutant}  {record.test} ({record.cpu_s} s)", flush=True)

        try:
            if not triers:
                return set()
            with ThreadPoolExecutor(len(triers)) as pool:
                list(pool.map(attempt, pending))
            killers = {record.test for record in records.by_key.values() if record.end == CAUGHT}
            killers -= records.sound | records.unsound | {""}
            broken = triers[0].broken(killers)
            records.note_tests(killers - broken, broken)
            return broken
        finally:
            for trier in triers:
                trier.close()


def _print_summary(records: Sequence[Record]) -> None:
    """Print how many were noticed, what was not, and a table."""
    lived = [record for record in records if record.end != CAUGHT]
    noticed = len(records) - len(lived)
    print(f"{noticed} of {len(records)} noticed ({100 * noticed / max(1, len(records)):.0f} %)")
    print(table(records))
    if lived:
        print("lived:")
    for record in lived:
        print(f"  {record.change}{' (not reached)' if record.end != 'lived' else ''}")


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


if __name__ == "__main__":
    raise SystemExit(main())
