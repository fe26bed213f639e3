"""Word to the outside: what is told, once, and that a listener who is slow, down or says no is no
matter.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from runner.scheduler import notify
from runner.scheduler.report import Report
from schema.catalog import Catalog
from schema.site import Site, SiteError
from tests.journey import LOCAL, declare, eventually, tell

TOLD = {"lab": "/lab", "news": []}


@contextmanager
def listening(
    status: int = 200, pause_s: float = 0.0
) -> Iterator[tuple[str, list[dict[str, object]]]]:
    """A server that takes messages, in its own time and with its own answer."""
    heard: list[dict[str, object]] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(pause_s)
            heard.append(json.loads(content))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", heard
    finally:
        server.shutdown()
        server.server_close()


def lab(folder: Path, target: str) -> Site:
    return declare(folder, f"{LOCAL}[notify]\n{target}\n", 2)


def told(site: Site, problems: list[tuple[str, str]]) -> list[tuple[str, str]]:
    report = Report(problems=problems)
    with Catalog(site.catalog).open() as connection:
        found = notify.news(site, connection, report)
    notify.send(site, found)
    return [(each.event, each.subject) for each in found]


def log(site: Site) -> str:
    path = site.catalog.with_name("notify.log")
    return path.read_text() if path.exists() else ""


def test_what_is_told_and_once(folder: Path) -> None:
    """A failed trial, a degraded lab in its second pass, a finished study."""
    with listening() as (url, heard):
        site = lab(folder, f'url = "{url}"')
        problem = [("squeue", "does not answer")]
        assert told(site, problem) == []
        assert told(site, problem) == [("degraded", "lab")]
        assert told(site, problem) == []
        tell(
            site,
            "INSERT INTO attempt (trial, attempt, spec, spec_id, batch, position) SELECT id, 1, '{}', '', '', -1 FROM trial;"
            "INSERT INTO outcome (trial, attempt, state, kind, message) VALUES (1, 1, 'failed', 'error', 'no'), (2, 1, 'done', NULL, NULL)",
        )
        assert told(site, []) == [("study finished", "toy"), ("trial failed", "trial 1")]
        assert told(site, []) == []
        assert eventually(lambda: len(heard) == 2)
    messages = [each for message in heard for each in message["news"]]  # type: ignore[attr-defined]
    assert sorted(each["event"] for each in messages) == [
        "degraded",
        "study finished",
        "trial failed",
    ]
    assert "took" in log(site)


@pytest.mark.parametrize("how", ["slow", "down", "says no"])
def test_nobody_waits_for_a_listener(folder: Path, how: str) -> None:
    """The telling goes on by itself, and what was not taken is in the log."""
    pause_s = 5.0 if how == "slow" else 0.0
    with listening(500 if how == "says no" else 200, pause_s) as (url, heard):
        site = lab(folder, f'url = "{"http://127.0.0.1:9/" if how == "down" else url}"')
        notify.send(site, [notify.News(event="degraded", subject="lab", message="m")])
        if how == "slow":
            assert heard == []
            assert eventually(lambda: len(heard) == 1)
        else:
            assert eventually(lambda: "did not take the message" in log(site))


def test_a_command_gets_it(folder: Path) -> None:
    site = lab(folder, """command = "cat > heard.json" """)
    notify.send(site, [notify.News(event="trial held", subject="trial 1", message="m")])
    assert eventually(lambda: (folder / "heard.json").exists())
    assert eventually(lambda: '"trial held"' in (folder / "heard.json").read_text())


def test_an_unknown_way_of_telling_is_refused(folder: Path) -> None:
    (folder / "site.toml").write_text('[notify]\nmail = "me"\n')
    with pytest.raises(SiteError, match=r"unknown key 'notify.mail'. Known keys: url, command"):
        Site.load(folder)
