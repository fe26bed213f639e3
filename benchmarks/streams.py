"""Measure how fast pairs are read, beside torch's DataLoader.

    python -m benchmarks.streams [--quick] [--only FORMAT ...] [--out FILE]

Weir reads the pairs of each format (`formats.py`) through a mixture and its loader: shuffled by
epoch, resumable, with captions, unreadable items replaced and counted; torch's DataLoader reads
what a user would write, shuffled. One run after the other, the best of `ROUNDS` each. Pairs per
core are pairs by second of processor time of all processes together. Beside it, Weir with
`decode_on_device` on the device there is, and that to Weir as always. Then: the first batch, a
cursor in the middle of a thousand shards, and memory over a million pairs.
"""

import argparse
import resource
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch.utils.data import DataLoader, Dataset

from benchmarks.formats import both, jpeg, row_of, webdataset
from benchmarks.measuring import load, surroundings
from schema.checks import parts
from streams import Pairs, open_pairs
from streams.loading import Loader
from streams.mixtures import Mixture

ROUNDS, BATCH_PAIRS = 2, 64
WORKERS = (0, 1, 2, 4)
MIXTURE = {
    "name": "m",
    "update_share": 1.0,
    "buffer_share": 0.0,
    "pretraining_share": 0.0,
    "buffer_pairs": None,
}
KNOWN = parts.names("streams/formats")
HEAD = (
    "| format | workers | Weir pairs/s | per core | DataLoader pairs/s | per core | ratio | on device | per core | ratio |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
)
DEVICE = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")


def loader(
    pairs: Pairs, workers: int = 0, steps: int | None = None, device: torch.device | None = None
) -> Loader:
    """Weir's, at the beginning of a task that brings all of a dataset."""
    mixture = Mixture(MIXTURE, BATCH_PAIRS, 1, None, device=device)
    mixture.begin(1, [(pairs, np.arange(len(pairs)))], [])
    return Loader(mixture, workers, steps=steps)


def processor_s() -> float:
    """Return the processor seconds of this process and of its ended children."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def speed(batches: Callable[[], Iterator[Any]], count: int, rounds: int) -> tuple[float, float]:
    """(pairs per second, pairs per second of processor time) of `count` batches.

    The best of the rounds, the start of workers included.
    """
    best = (0.0, 0.0)
    for _ in range(rounds):
        began, used = time.perf_counter(), processor_s()
        taken = batches()
        for _batch in islice(taken, count):
            pass
        del taken, _batch
        wall_s, cpu_s = time.perf_counter() - began, processor_s() - used
        best = max(best, (count * BATCH_PAIRS / wall_s, count * BATCH_PAIRS / cpu_s))
    return best


def weirs(
    pairs: Pairs, workers: int, steps: int, device: torch.device | None = None
) -> Iterator[Any]:
    """Batches of Weir's loader, told how many are wanted, as a trial tells it; on a GPU they are there when they are taken."""
    made = loader(pairs, workers, steps, device)
    while True:
        drawn = made.draw()
        if drawn.images.is_cuda:
            torch.cuda.synchronize()
        yield drawn


def plains(other: Dataset[Any], workers: int) -> Iterator[Any]:
    """Yield batches of torch's DataLoader."""
    return iter(DataLoader(other, BATCH_PAIRS, shuffle=True, num_workers=workers))


def compare(
    form: str, data: Path, pictures: list[bytes], workers: tuple[int, ...], rounds: int
) -> Iterator[str]:
    """Measure a format with every number of workers; yield lines of a Markdown table."""
    pairs, other = both(form, data, pictures)
    count = len(pairs) // BATCH_PAIRS
    for number, several in enumerate(workers):
        mine = speed(partial(weirs, pairs, several, count), count, rounds)
        theirs = speed(partial(plains, other, several), count, rounds)
        there = speed(partial(weirs, pairs, several, count, DEVICE), count, rounds)
        shown = [
            f"{mine[0]:,.0f}",
            f"{mine[1]:,.0f}",
            f"{theirs[0]:,.0f}",
            f"{theirs[1]:,.0f}",
            f"{mine[0] / theirs[0]:.2f}",
        ]
        shown += [f"{there[0]:,.0f}", f"{there[1]:,.0f}", f"{there[0] / mine[0]:.2f}"]
        yield f"| {'' if number else f'`{form}`'} | {several} | {' | '.join(shown)} |"


def shards(data: Path, count: int, each: int) -> dict[str, Any]:
    """Create tar shards of small pictures, and return their dataset row."""
    folder = data / "thousand"
    webdataset(folder, [jpeg(number % 500, 40, 32) for number in range(count * each)], each)
    return row_of("webdataset", folder, {"image_px": 32})


def beginnings(row: dict[str, Any], data: Path) -> list[tuple[str, float]]:
    """Seconds to a first batch: of shards never read, read before, and from a cursor in the middle of an epoch."""
    found = []
    for what in ("first batch, shards never read", "first batch, shards read before"):
        began = time.perf_counter()
        made = loader(open_pairs(row, "train", data))
        made.draw()
        found.append((what, time.perf_counter() - began))
    pool = made.mixture.pools[0]
    state = made.state_dict() | {"drawn": 10**6, "pools": [[7, len(pool) // 2], [0, 0], [0, 0]]}
    began = time.perf_counter()
    made = loader(open_pairs(row, "train", data))
    made.load_state_dict(state)
    made.draw()
    return [
        *found,
        (
            "first batch from a cursor in the middle of the eighth epoch",
            time.perf_counter() - began,
        ),
    ]


def resident_mb() -> float:
    """Return the memory that this process holds now, in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def memory(row: dict[str, Any], data: Path, pairs: int) -> list[tuple[int, float]]:
    """(pairs drawn, MB of this process) at tenths of the way."""
    made, found = loader(open_pairs(row, "train", data)), list[tuple[int, float]]()
    batches = pairs // BATCH_PAIRS
    for number in range(1, batches + 1):
        made.draw()
        if number % max(1, batches // 10) == 0:
            found.append((number * BATCH_PAIRS, resident_mb()))
    return found


def of_shards(data: Path, small: int, console: Console) -> None:
    """What a thousand shards take to begin, and a million pairs to hold; a part of both if `small`."""
    row = shards(data, 1000 // small, 100)
    for what, seconds in beginnings(row, data):
        console.print(f"{what}, {1000 // small:,} shards of 100 pairs: {seconds:.2f} s")
    drawn = memory(row, data, 1_000_000 // small**2)
    console.print("memory: " + ", ".join(f"{mb:,.0f} MB after {pairs:,}" for pairs, mb in drawn))


def main() -> None:
    """Run all measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--quick", action="store_true", help="a hundredth of it, to see that it works"
    )
    parser.add_argument("--out", type=Path, help="keep what is printed, as Markdown")
    parser.add_argument(
        "--only", nargs="*", choices=KNOWN, help="these formats, and nothing of shards and memory"
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings(
        "ignore", "This DataLoader will create"
    )  # more workers than cores: that is to be measured too
    console = Console(record=True, width=200, highlight=False, markup=False)
    small, rounds, workers = (20, 1, (0, 2)) if given.quick else (1, ROUNDS, WORKERS)
    with tempfile.TemporaryDirectory() as place:
        data = Path(place)
        console.print(f"load of the machine before: {load()}\n\n{HEAD}")
        pictures = [jpeg(number, 340, 256) for number in range(2560 // small)]
        for form in given.only or KNOWN:
            for line in compare(form, data, pictures, workers, rounds):
                console.print(line)
        console.print()
        if not given.only:
            of_shards(data, small, console)
    words = [
        "python -m benchmarks.streams",
        *(["--quick"] if given.quick else []),
        *(["--only", *given.only] if given.only else []),
    ]
    for name, said in surroundings(" ".join(words)):
        console.print(f"{name}: {said}")
    if given.out:
        given.out.write_text(console.export_text())


if __name__ == "__main__":
    main()
