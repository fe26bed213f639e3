"""Parquet files at an address: a stream of row groups reads parts of them, other orders say what they fetch."""

import functools
import logging
import pickle
import re
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from streams import DatasetError, FetchedTo, Pairs, open_pairs
from streams.formats import _parquet_images, _remote
from streams.loading import Loader
from streams.mixtures import Mixture
from streams.pools import all_of
from tests import layouts
from tests.layouts import Row

MIXTURE = {"name": "m", "update_share": 1, "buffer_share": 0, "pretraining_share": 0}
MIXTURE |= {"buffer_pairs": None}
FILES = "data/train-{00000..00001}-of-00002.parquet"
RANGE = re.compile(r"bytes=(\d*)-(\d+)$")


class Ranges(SimpleHTTPRequestHandler):
    """Serves a folder and parts of its files; `sent` counts bytes by path, `whole` refuses parts."""

    sent: dict[str, int]
    whole: bool
    faults: list[int]

    def do_GET(self) -> None:
        if self.faults:
            self.send_error(self.faults.pop(0))
            return
        content = Path(self.translate_path(self.path)).read_bytes()
        wanted = RANGE.match(self.headers.get("Range", ""))
        if wanted and not self.whole:
            self.send_response(206)
            first = int(wanted[1] or max(0, len(content) - int(wanted[2])))
            content = content[first : int(wanted[2]) + 1 if wanted[1] else None]
        else:
            self.send_response(200)
        self.sent[self.path] = self.sent.get(self.path, 0) + len(content)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Row, Row, type[Ranges]]]:
    """The row of two files of three row groups on the disk, that of the same at an address, and who serves them."""
    monkeypatch.setattr(_remote, "PAUSE_S", 0.01)
    # Small files would fit whole into what is read to find the footer
    monkeypatch.setattr(_remote, "TAIL_BYTES", 64)
    local = layouts.parquet(tmp_path / "served", 24, set())
    local["params"] |= {"lanes": 3, "block_shards": 1}
    handler = type("Fresh", (Ranges,), {"sent": {}, "whole": False, "faults": []})
    place = functools.partial(handler, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), place) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        there = local | {"location": f"http://127.0.0.1:{server.server_port}/birds"}
        there["params"] = local["params"] | {"train": FILES, "test": ""}
        yield local, there, handler
        server.shutdown()
        thread.join()


def loader(pairs: Pairs, part: slice | None = None) -> Loader:
    """Batches of two pairs of each of three lanes, half a row group."""
    mixture = Mixture(MIXTURE, 6, 1, None)
    mixture.begin(1, [(pairs, all_of(pairs))], [])
    return Loader(mixture, 0, part)


def opened(row: Row, data: Path, **params: Any) -> Pairs:
    row = row | {"params": row["params"] | params}
    return open_pairs(row, "train", data, None, FetchedTo(data / "node", 1 << 30))


@pytest.mark.parametrize("caption", ["texts", ""])
def test_row_groups_at_an_address_are_those_of_the_folder(
    served: tuple[Row, Row, type[Ranges]], tmp_path: Path, caption: str
) -> None:
    """The same batches, by captions of a column or of templates, though the server fails at first."""
    local, there, handler = served
    handler.faults.append(503)
    here = loader(opened(local, tmp_path / "served", caption=caption))
    away = loader(opened(there, tmp_path / "data", caption=caption))
    for _ in range(5):
        one, other = here.draw(), away.draw()
        assert np.array_equal(one.images, other.images) and one.captions == other.captions


def test_a_rank_fetches_the_row_groups_of_its_lanes_alone(
    served: tuple[Row, Row, type[Ranges]], tmp_path: Path
) -> None:
    """No file comes whole, and what is in the node's cache is not fetched again."""
    _, there, handler = served
    files = sorted((tmp_path / "served/birds/data").glob("*.parquet"))
    first = loader(opened(there, tmp_path / "data"), slice(0, 2))
    first.draw()
    groups = list((tmp_path / "data/node/shards").glob("*#bytes=*"))
    # One of its lane, and the next one that is fetched ahead
    assert 1 <= len(groups) <= 2
    fetched = sum(handler.sent.values())
    assert fetched < sum(file.stat().st_size for file in files)
    loader(opened(there, tmp_path / "data"), slice(0, 2)).draw()
    group_bytes = max(path.stat().st_size for path in groups)
    assert sum(handler.sent.values()) <= fetched + group_bytes


def test_a_server_without_parts_is_named(
    served: tuple[Row, Row, type[Ranges]], tmp_path: Path
) -> None:
    """And so is a file that is no Parquet, and an address that names no files."""
    _, there, handler = served
    handler.whole = True
    with pytest.raises(DatasetError, match="its server gives whole files alone"):
        opened(there, tmp_path / "data")
    handler.whole = False
    with pytest.raises(
        DatasetError, match=r"data/train-00000-of-00002.parquet has no image column"
    ):
        opened(there, tmp_path / "data", image="picture")
    with pytest.raises(DatasetError, match=r"it must name \.parquet files"):
        opened(there, tmp_path / "data", train="data")
    file = sorted((tmp_path / "served/birds/data").glob("*.parquet"))[0]
    file.write_bytes(file.read_bytes()[:-1])
    # The footers of the whole files are in the cache of the other folder
    with pytest.raises(DatasetError, match="it is not a whole Parquet file"):
        opened(there, tmp_path / "other")


def test_other_orders_say_what_they_fetch_and_copy_before_they_do(
    served: tuple[Row, Row, type[Ranges]],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In bytes, with the order that avoids it, once; and what does not fit is refused."""
    local, there, _ = served
    files = sorted((tmp_path / "served/birds/data").glob("*.parquet"))
    pairs = opened(there, tmp_path / "data", lanes=0)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    fetch, copy = caplog.messages
    needed = sum(file.stat().st_size for file in files) / 1e9
    assert "2 files of http" in fetch and f"{needed:.3g} GB" in fetch and "With lanes" in fetch
    assert "the images of 2 Parquet files" in copy and "With lanes" in copy
    said = float(copy.split("files, ")[1].split(" GB")[0]) * 1e9
    copies = sum(path.stat().st_size for path in (tmp_path / "data/parquet").glob("*/images"))
    assert copies <= said < 2 * copies
    # Names say what split a row is in, and do not tell where the files lie
    assert pairs.name(0) == opened(local, tmp_path / "served", lanes=0).name(0)  # type: ignore[attr-defined]
    caplog.clear()
    opened(there, tmp_path / "data", lanes=0)
    assert not caplog.messages
    usage = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    whole = local | {"location": str(tmp_path / "served/birds")}
    with pytest.raises(DatasetError, match=r"copied to .* room for 1e-08 GB. With lanes"):
        opened(whole, tmp_path / "other", lanes=0)
    with pytest.raises(DatasetError, match=r"fetched whole .* room for 1e-08 GB. With lanes"):
        opened(there, tmp_path / "other", lanes=0)


def test_a_test_split_is_read_where_it_lies(
    served: tuple[Row, Row, type[Ranges]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its order each row group once, in another order the same pictures; large groups are copied."""
    local, _, _ = served
    data = tmp_path / "served"
    row = local | {"params": local["params"] | {"test": "data/*.parquet", "lanes": 0}}
    reads = list[int]()
    read_row_group = pq.ParquetFile.read_row_group

    def counted(file: pq.ParquetFile, group: int, **more: Any) -> Any:
        reads.append(group)
        return read_row_group(file, group, **more)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    pairs = open_pairs(row, "test", data)
    every = np.arange(len(pairs))
    reads.clear()
    images = np.concatenate([pairs.images(every[:7]), pairs.images(every[7:])])
    # The first was looked into when the split was opened
    assert len(reads) == 5 and not (data / "parquet").exists()
    sent = pickle.loads(pickle.dumps(pairs))
    assert np.array_equal(sent.images(every[::-1]), images[::-1])
    assert np.array_equal(open_pairs(row, "train", data).images(every), images)
    shutil.rmtree(data / "parquet")
    monkeypatch.setattr(_parquet_images, "MOST_BYTES", 1000)
    assert np.array_equal(open_pairs(row, "test", data).images(every), images)
    assert len(list((data / "parquet").glob("*/images"))) == 2
