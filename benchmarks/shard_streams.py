"""Measure what streams of shards take: memory by shards, the first batch, going on from a cursor.

    python -m benchmarks.scale --only streams

The shards hold 10,000 pairs of one small picture each. On the disk they are links to one file; at
an address a server of this machine answers every name with it, so that lists of any length are read
by the code that reads them in a trial.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SHARD_PAIRS = 10_000
BATCH_PAIRS, LANES, BLOCK_SHARDS = 64, 8, 2
# Shards of a pool, where it lies on the disk and where at an address.
ON_DISK = (10, 100, 1_000)
AT_ADDRESS = (1_000, 10_000, 100_000, 1_280_000)
MIXTURE = {"name": "m", "update_share": 1, "buffer_share": 0, "pretraining_share": 0}
MIXTURE |= {"buffer_pairs": None}
# Batches by which a pace is measured.
PACE = 50


def row(location: str) -> dict[str, Any]:
    """Return the dataset row of a pool."""
    params = {"image_px": 32, "test": "none", "lanes": LANES, "block_shards": BLOCK_SHARDS}
    words = {"name": "d", "format": "webdataset", "classes": [], "templates": []}
    if "://" in location:
        params["test"] = ""
    return words | {"location": location, "params": params}


def write_links(folder: Path, shard: Path, count: int, shard_pairs: int) -> dict[str, Any]:
    """Create a pool of `count` shards on the disk, and return its row."""
    place = folder / f"links-{count}"
    place.mkdir()
    sizes = {}
    for number in range(count):
        name = f"{number:07}.tar"
        (place / name).symlink_to(shard)
        sizes[name] = shard_pairs
    (place / "sizes.json").write_text(json.dumps(sizes))
    return row(str(place))


@contextmanager
def served(shard: Path, count: int, shard_pairs: int) -> Iterator[dict[str, Any]]:
    """Serve a pool of `count` shards at an address, and yield its row."""
    listed = json.dumps({f"{number:07}.tar": shard_pairs for number in range(count)}).encode()
    content = shard.read_bytes()

    class Answers(BaseHTTPRequestHandler):
        """A server that returns the same shard for every name."""

        def do_GET(self) -> None:
            answer = listed if self.path.endswith(".json") else content
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield row(f"http://127.0.0.1:{server.server_port}/{{0000000..{count - 1:07}}}.tar")
        server.shutdown()


def measure(folder: Path, pool: dict[str, Any], memory_mb: Any, forget_peak: Any) -> dict[str, Any]:
    """Open a pool, draw from it, and go on from a cursor in the middle of its third epoch."""
    from streams import FetchedTo, open_pairs
    from streams.loading import Loader
    from streams.mixtures import Mixture
    from streams.pools import all_of

    def opened(words: dict[str, Any]) -> Loader:
        pairs = open_pairs(words, "train", folder, None, FetchedTo(folder / "node", 10**12))
        mixture = Mixture(MIXTURE, BATCH_PAIRS, 1, None)
        mixture.begin(1, [(pairs, all_of(pairs))], [])
        return Loader(mixture)

    # What is imported on first use is no table of pairs
    opened(row(str(folder / "links-1"))).draw()
    held, began, work = forget_peak(), time.perf_counter(), time.process_time()
    reader = opened(pool)
    found = {"list_s": time.perf_counter() - began, "list_mb": memory_mb("VmRSS") - held}
    reader.draw()
    found["first_s"] = time.perf_counter() - began
    found["first_cpu_s"] = time.process_time() - work
    began = time.perf_counter()
    for _ in range(PACE):
        reader.draw()
    found["pairs_per_s"] = PACE * BATCH_PAIRS / (time.perf_counter() - began)
    found["held_mb"] = memory_mb("VmRSS") - held
    found["peak_mb"] = memory_mb("VmHWM") - held
    state = reader.state_dict()
    lanes = state["pools"][0]["lanes"]
    blocks = max(1, len(pool_shards(reader)) // LANES // BLOCK_SHARDS)
    state["pools"][0]["lanes"] = [[2, blocks // 2, 17] for _ in lanes]
    began, work = time.perf_counter(), time.process_time()
    again = opened(pool)
    again.load_state_dict(json.loads(json.dumps(state)))
    found["seek_s"] = time.perf_counter() - began
    again.draw()
    found["on_s"] = time.perf_counter() - began
    found["on_cpu_s"] = time.process_time() - work
    return found


def pool_shards(reader: Any) -> Any:
    """Return the sizes of the shards that a loader reads."""
    return reader.mixture.pools[0].order.sizes
