"""Shards at an address: a real server on this machine, which fails when it is told to."""

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from streams import DatasetError, Pairs, open_pairs
from streams.formats import _remote
from streams.formats._places import expanded
from streams.loading import Loader
from streams.mixtures import Mixture
from tests import layouts
from tests.layouts import Row


class Shelf(SimpleHTTPRequestHandler):
    """Serves a folder; `asked` is what was asked for, and `faults` what is done to the next answers: an HTTP status, or `short`."""

    asked: list[str]
    faults: list[int | str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, int):
            self.send_error(fault)
        elif fault == "short":
            whole = Path(self.translate_path(self.path)).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(whole)))
            self.end_headers()
            self.wfile.write(whole[: len(whole) // 2])
        else:
            super().do_GET()

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def shelf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, type[Shelf], Row]]:
    """The address of twelve pairs in three shards, who serves them, and the row of the same shards in their folder."""
    monkeypatch.setattr(_remote, "PAUSE_S", 0.0)
    row = layouts.webdataset(tmp_path / "served", 12, set())
    handler = type("Fresh", (Shelf,), {"asked": [], "faults": []})
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(tmp_path / "served"))
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/pool", handler, row
        server.shutdown()
        thread.join()


def opened(row: Row, data: Path, location: str, **params: str) -> Pairs:
    return open_pairs(
        row | {"location": location, "params": row["params"] | {"test": ""} | params}, "train", data
    )


def same(one: Pairs, other: Pairs) -> bool:
    every = np.arange(len(one))
    said = [pairs.captions(every, np.random.default_rng(1)) for pairs in (one, other)]
    return (
        len(one) == len(other)
        and np.array_equal(one.images(every), other.images(every))
        and said[0] == said[1]
    )


@pytest.mark.parametrize("apart", [True, False])
def test_pairs_at_an_address_are_those_of_the_folder_and_fetched_once(
    shelf: tuple[str, type[Shelf], Row], tmp_path: Path, apart: bool
) -> None:
    address, handler, row = shelf
    local = opened(row, tmp_path / "served", "pool")
    for _ in range(2):
        if apart:
            pairs = opened(
                row,
                tmp_path / "data",
                address,
                train="{00000..00002}.tar",
                test="{00000..00002}.tar",
            )
        else:
            pairs = opened(row, tmp_path / "data", f"{address}/{{00000..00002}}.tar")
        assert same(pairs, local) and pairs.name(7) == local.name(7)
    # Several are fetched at the same time
    assert sorted(handler.asked) == [f"/pool/{n:05}.tar" for n in range(3)], (
        "the second time nothing is asked for"
    )


def test_a_cursor_finds_its_pairs_again_without_the_server(
    shelf: tuple[str, type[Shelf], Row], tmp_path: Path
) -> None:
    address, handler, row = shelf

    def loader() -> Loader:
        mixture = Mixture(
            {
                "name": "m",
                "update_share": 1,
                "buffer_share": 0,
                "pretraining_share": 0,
                "buffer_pairs": None,
            },
            5,
            1,
            None,
        )
        pairs = opened(row, tmp_path / "data", f"{address}/{{00000..00002}}.tar")
        mixture.begin(1, [(pairs, np.arange(len(pairs)))], [])
        return Loader(mixture)

    first = loader()
    for _ in range(3):
        first.draw()
    state, expected = first.state_dict(), first.draw()
    handler.faults += [503] * 99
    again = loader()
    again.load_state_dict(state)
    found = again.draw()
    assert found.captions == expected.captions and np.array_equal(found.images, expected.images)


def test_a_fetch_that_fails_or_ends_early_is_tried_again(
    shelf: tuple[str, type[Shelf], Row], tmp_path: Path
) -> None:
    address, handler, row = shelf
    handler.faults += [503, "short", 429]
    assert same(
        opened(row, tmp_path / "data", f"{address}/{{00000..00002}}.tar"),
        opened(row, tmp_path / "served", "pool"),
    )
    assert len(handler.asked) == 6
    assert not list((tmp_path / "data" / "fetched").glob(".aside*"))


@pytest.mark.parametrize(
    ("faults", "tries", "said"),
    [
        ([500] * 9, 4, "HTTP Error 500"),
        (["short"] * 9, 4, "it ended after"),
        ([404], 1, "HTTP Error 404"),
    ],
)
def test_a_shard_that_cannot_be_had_is_named(
    shelf: tuple[str, type[Shelf], Row],
    tmp_path: Path,
    faults: list[int | str],
    tries: int,
    said: str,
) -> None:
    address, handler, row = shelf
    handler.faults += faults
    with pytest.raises(
        DatasetError,
        match=rf"{address}/00000.tar cannot be fetched \({tries} tr.*{said}.* name their folder\.",
    ):
        opened(row, tmp_path / "data", f"{address}/00000.tar")
    assert len(handler.asked) == tries and not list((tmp_path / "data" / "fetched").glob("*.tar"))


def test_a_folder_at_an_address_is_refused(
    shelf: tuple[str, type[Shelf], Row], tmp_path: Path
) -> None:
    address, handler, row = shelf
    with pytest.raises(
        DatasetError,
        match=r"is an address, where no folder can be listed; it must name .tar files, as https://",
    ):
        opened(row, tmp_path / "data", address)
    assert not handler.asked


def test_numbers_in_braces() -> None:
    assert expanded("https://h/{08..11}.tar") == [
        f"https://h/{n}.tar" for n in ("08", "09", "10", "11")
    ]
    assert expanded("file:///a/{0..1}/{3..4}.tar") == [
        f"file:///a/{a}/{b}.tar" for a in (0, 1) for b in (3, 4)
    ]
    assert expanded("http://h/a.tar") == ["http://h/a.tar"]
