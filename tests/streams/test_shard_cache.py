"""Streams of shards at an address: fetched once to a node, whole, within a budget, whatever fails."""

import functools
import json
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams import DatasetError, FetchedTo, Pairs, open_pairs
from streams.formats import _remote
from streams.formats._shard_cache import ShardCache
from streams.loading import Loader
from streams.mixtures import Mixture
from streams.pools import all_of
from tests import layouts
from tests.journey import eventually
from tests.layouts import Row

COUNT = 40
MIXTURE = {"name": "m", "update_share": 1, "buffer_share": 0, "pretraining_share": 0}
MIXTURE |= {"buffer_pairs": None}


class Bad(SimpleHTTPRequestHandler):
    """Serves a folder, badly: `faults` is what is done to the next answers, an HTTP status, `short`, `chunk` or `slow`."""

    asked: list[str]
    faults: list[int | str]
    headers_of: list[dict[str, str]]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.headers_of.append(dict(self.headers))
        fault = self.faults.pop(0) if self.faults else None
        whole = Path(self.translate_path(self.path))
        if isinstance(fault, int):
            self.send_error(fault)
        elif isinstance(fault, str) and fault.startswith("to "):
            self.send_response(302)
            self.send_header("Location", fault.removeprefix("to "))
            self.end_headers()
        elif fault == "chunk":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"10000\r\n" + whole.read_bytes()[:100])
        elif fault in ("short", "slow"):
            content = whole.read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            half = len(content) // 2
            self.wfile.write(content[:half])
            if fault == "slow":
                self.wfile.flush()
                time.sleep(0.3)
                self.wfile.write(content[half:])
        else:
            super().do_GET()

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, type[Bad], Row]]:
    """The address of eight shards of five pairs with their list, who serves them, and their row in a folder."""
    monkeypatch.setattr(_remote, "PAUSE_S", 0.01)
    row = layouts.webdataset(tmp_path / "served", COUNT, set())
    sizes = {f"{number:05}.tar": 5 for number in range(8)}
    (tmp_path / "served/pool/sizes.json").write_text(json.dumps(sizes))
    row["params"] |= {"lanes": 4, "block_shards": 1, "test": "none"}
    handler = type("Fresh", (Bad,), {"asked": [], "faults": [], "headers_of": []})
    place = functools.partial(handler, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), place) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/pool", handler, row
        server.shutdown()
        thread.join()


def opened(row: Row, data: Path, address: str, budget: int = 1 << 40) -> Pairs:
    there = row | {"location": f"{address}/{{00000..00007}}.tar"}
    there["params"] = row["params"] | {"test": ""}
    return open_pairs(there, "train", data, None, FetchedTo(data / "node", budget))


def loader(pairs: Pairs, workers: int = 0, part: slice | None = None) -> Loader:
    mixture = Mixture(MIXTURE, 8, 1, None)
    mixture.begin(1, [(pairs, all_of(pairs))], [])
    return Loader(mixture, workers, part)


def captions(reader: Loader, batches: int) -> list[str]:
    drawn = list[str]()
    for _ in range(batches):
        drawn += reader.draw().captions
    return drawn


def expected(row: Row, folder: Path, batches: int) -> list[str]:
    return captions(loader(open_pairs(row, "train", folder)), batches)


def copies(data: Path) -> list[str]:
    return sorted(path.name[17:] for path in (data / "node/shards").glob("[0-9a-f]*.tar"))


# ------------------------------------------------ what is fetched


def test_only_the_list_is_read_before_the_first_batch(
    served: tuple[str, type[Bad], Row], tmp_path: Path
) -> None:
    address, handler, row = served
    pairs = opened(row, tmp_path, address)
    assert handler.asked == ["/pool/sizes.json"] and len(pairs) == COUNT
    reader = loader(pairs)
    assert captions(reader, 5) == expected(row, tmp_path / "served", 5)
    assert sorted(set(handler.asked)) == sorted(handler.asked), "no shard is fetched twice"


def test_a_block_is_fetched_ahead(served: tuple[str, type[Bad], Row], tmp_path: Path) -> None:
    """After the first batch, of two pairs a lane, the shards of the lanes' second blocks come, and no more."""
    address, _, row = served
    reader = loader(opened(row, tmp_path, address))
    reader.draw()
    pool: Any = reader.mixture.pools[0]
    shards = set[int]()
    for lane in pool.order.lanes:
        shards |= {*lane.shards(0, 0).tolist(), *lane.shards(*lane.following()).tolist()}
    assert eventually(lambda: copies(tmp_path) == [f"{shard:05}.tar" for shard in sorted(shards)])


def test_a_rank_fetches_the_shards_of_its_lanes_alone(
    served: tuple[str, type[Bad], Row], tmp_path: Path
) -> None:
    address, handler, row = served
    reader = loader(opened(row, tmp_path, address), 0, slice(0, 2))
    reader.draw()
    pool: Any = reader.mixture.pools[0]
    lane = pool.order.lanes[0]
    mine = {*lane.shards(0, 0).tolist(), *lane.shards(*lane.following()).tolist()}
    names = {f"/pool/{shard:05}.tar" for shard in mine}
    assert eventually(lambda: set(handler.asked) == {"/pool/sizes.json", *names})


def read_all(address: str, row: Row, data: Path, rank: int) -> list[str]:
    return captions(loader(opened(row, data, address), 0, slice(rank * 4, rank * 4 + 4)), 5)


def test_ranks_and_workers_of_a_node_fetch_each_shard_once(
    served: tuple[str, type[Bad], Row], tmp_path: Path
) -> None:
    """Two processes read their parts at the same time, and two workers a part of their own."""
    address, handler, row = served
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        ways = [(address, row, tmp_path, rank) for rank in (0, 1)]
        parts = pool.starmap(read_all, ways)
    alone = expected(row, tmp_path / "served", 5)
    for batch in range(5):
        both = parts[0][batch * 4 : batch * 4 + 4] + parts[1][batch * 4 : batch * 4 + 4]
        assert both == alone[batch * 8 : batch * 8 + 8]
    assert captions(loader(opened(row, tmp_path, address), 2), 5) == alone
    assert sorted(handler.asked) == sorted(set(handler.asked))


# ------------------------------------------------ a server that fails


def test_a_slow_cutting_refusing_server_gives_the_same_pairs(
    served: tuple[str, type[Bad], Row], tmp_path: Path
) -> None:
    address, handler, row = served
    alone = expected(row, tmp_path / "served", 5)
    pairs = opened(row, tmp_path, address)
    handler.faults += [503, "short", "slow", 429, "chunk", 500, "slow", "chunk", 503]
    assert captions(loader(pairs), 5) == alone
    assert not list((tmp_path / "node/shards").glob(".aside*"))


def test_a_shard_that_cannot_be_had_ends_the_trial_by_name(
    served: tuple[str, type[Bad], Row], tmp_path: Path
) -> None:
    """Not as an unreadable picture: nothing is replaced for it."""
    address, handler, row = served
    pairs = opened(row, tmp_path, address)
    handler.faults += [404] * 99
    with pytest.raises(
        DatasetError, match=r"^dataset 'birds': http.*tar cannot be fetched \(1 try"
    ):
        loader(pairs).draw()


def test_a_pool_without_a_list_is_refused(
    served: tuple[str, type[Bad], Row], tmp_path: Path
) -> None:
    address, handler, row = served
    handler.faults += [404]
    with pytest.raises(
        DatasetError, match=r"needs to know how many pairs each shard has, and there is no http://"
    ):
        opened(row, tmp_path, address)
    handler.faults += [503] * 4
    with pytest.raises(
        DatasetError, match=r"sizes.json cannot be fetched \(4 tries\): HTTP Error 503"
    ):
        opened(row, tmp_path, address)


# ------------------------------------------------ the budget


def held_bytes(data: Path) -> int:
    return sum(path.stat().st_size for path in (data / "node/shards").iterdir())


def test_the_cache_keeps_within_its_budget(
    served: tuple[str, type[Bad], Row], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Even where it is too small for the lanes, whose shards are then fetched again, and a line says so."""
    address, _, row = served
    shard_bytes = max(file.stat().st_size for file in (tmp_path / "served/pool").glob("*.tar"))
    budget = 3 * shard_bytes + 1000
    reader = loader(opened(row, tmp_path, address, budget))
    alone = expected(row, tmp_path / "served", 8)
    drawn = list[str]()
    with caplog.at_level(logging.WARNING):
        for _ in range(8):
            drawn += reader.draw().captions
            assert held_bytes(tmp_path) <= budget
    assert drawn == alone
    again = [record.message for record in caplog.records if "fetched again" in record.message]
    assert len(again) == 1 and "raise cache_gb in site.toml" in again[0]


def test_a_shard_larger_than_the_budget_is_refused(
    served: tuple[str, type[Bad], Row], tmp_path: Path
) -> None:
    address, _, row = served
    reader = loader(opened(row, tmp_path, address, 2000))
    with pytest.raises(DatasetError, match=r"a shard takes .* GB, .* Raise cache_gb in site.toml"):
        reader.draw()


def test_what_was_used_last_stays(served: tuple[str, type[Bad], Row], tmp_path: Path) -> None:
    address, handler, _ = served
    size = max(file.stat().st_size for file in (tmp_path / "served/pool").glob("*.tar"))
    cache = ShardCache("birds", tmp_path / "node/shards", 2 * size + 100)
    for number in (0, 1, 0, 2):
        cache.get(f"{address}/{number:05}.tar")
        # Times of files are no finer than this everywhere
        time.sleep(0.02)
    assert copies(tmp_path) == ["00000.tar", "00002.tar"]
    assert handler.asked == [f"/pool/{number:05}.tar" for number in (0, 1, 2)]


def test_threads_that_want_a_shard_wait_for_one_fetch(
    served: tuple[str, type[Bad], Row], tmp_path: Path
) -> None:
    address, handler, _ = served
    handler.faults += ["slow"]
    cache = ShardCache("birds", tmp_path / "node/shards", 1 << 30)
    with ThreadPoolExecutor(6) as threads:
        paths = list(threads.map(cache.get, [f"{address}/00003.tar"] * 6))
    assert len(set(paths)) == 1 and handler.asked == ["/pool/00003.tar"]


# ------------------------------------------------ killed


def fetch_one(address: str, folder: Path) -> None:
    ShardCache("birds", folder, 1 << 30).get(address)


def test_no_half_file_of_a_killed_process_is_used(
    served: tuple[str, type[Bad], Row], tmp_path: Path
) -> None:
    """Killed in the middle of a fetch: what it left is no copy, and goes when the next one fetches."""
    address, handler, _ = served
    folder = tmp_path / "node/shards"
    whole = (tmp_path / "served/pool/00002.tar").read_bytes()
    handler.faults += ["slow"]
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=fetch_one, args=(f"{address}/00002.tar", folder))
    process.start()
    assert eventually(lambda: folder.exists() and any(folder.glob(".aside*")))
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    left = list(folder.glob(".aside*"))
    assert copies(tmp_path) == [] and len(left) == 1
    copy = ShardCache("birds", folder, 1 << 30).get(f"{address}/00002.tar")
    assert copy.read_bytes() == whole
    assert not left[0].exists()


def test_what_a_killed_process_left_makes_room(
    served: tuple[str, type[Bad], Row], tmp_path: Path
) -> None:
    """It counts against the budget only until room is needed, whichever shard it was of."""
    address, _, _ = served
    folder = tmp_path / "node/shards"
    folder.mkdir(parents=True)
    size = max(file.stat().st_size for file in (tmp_path / "served/pool").glob("*.tar"))
    (folder / ".aside-zz-0").write_bytes(b"x" * size)
    cache = ShardCache("birds", folder, size + 100)
    cache.get(f"{address}/00002.tar")
    assert copies(tmp_path) == ["00002.tar"] and not (folder / ".aside-zz-0").exists()


def test_a_copy_that_another_process_pushed_out_is_fetched_again(
    served: tuple[str, type[Bad], Row], tmp_path: Path
) -> None:
    """Also between two pictures of one batch."""
    address, _, row = served
    pairs = opened(row, tmp_path, address)
    every = np.arange(COUNT)
    first = pairs.images(every)
    for copy in (tmp_path / "node/shards").glob("*.tar"):
        copy.unlink()
    assert np.array_equal(pairs.images(every), first)


# ------------------------------------------------ credentials


@pytest.mark.parametrize(
    "places",
    [
        {"location": "https://me:hunter22@host/pool/{0..1}.tar"},
        {"location": "https://host/pool/{0..1}.tar?X-Amz-Signature=hunter22"},
        {"location": "s3://key:hunter22@bucket/{0..1}.tar"},
        {"location": "https://host/pool", "train": "{0..1}.tar?token=hunter22"},
        {"location": "https://host/pool/{0..1}.tar#hunter22"},
    ],
)
def test_an_address_that_carries_a_secret_is_refused_without_repeating_it(
    places: dict[str, str], tmp_path: Path
) -> None:
    row = layouts.row("webdataset", places["location"], train=places.get("train", ""), lanes=2)
    with pytest.raises(DatasetError, match="is an address that carries a") as refused:
        open_pairs(row, "train", tmp_path)
    assert "hunter22" not in str(refused.value)
    assert "environment of the job" in str(refused.value)


def test_a_server_is_told_who_asks_by_a_netrc_file_alone(
    served: tuple[str, type[Bad], Row],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And where it sends on to another host, that one is not told."""
    address, handler, row = served
    secrets = tmp_path / "netrc"
    secrets.write_text("machine 127.0.0.1 login me password hunter22\n")
    secrets.chmod(0o600)
    monkeypatch.setenv("NETRC", str(secrets))
    elsewhere = address.replace("127.0.0.1", "localhost")
    handler.faults += [f"to {elsewhere}/sizes.json"]
    with caplog.at_level(logging.DEBUG):
        pairs = opened(row, tmp_path, address)
        handler.faults += [403] * 99
        with pytest.raises(DatasetError) as refused:
            loader(pairs).draw()
    logins = ["Authorization" in headers for headers in handler.headers_of[:2]]
    assert logins == [True, False]
    assert "hunter22" not in str(refused.value) + caplog.text
    cause: BaseException | None = refused.value
    while cause is not None:
        assert "hunter22" not in str(cause)
        cause = cause.__cause__
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and path != secrets]
    assert not any(b"hunter22" in path.read_bytes() for path in kept)


def test_words_of_an_error_lose_the_secrets_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter22hunter22")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "sesame-sesame")
    words = _remote.without_secrets("denied hunter22hunter22 with sesame-sesame")
    assert words == "denied *** with ***"
