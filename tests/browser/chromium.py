"""Serve the app of this tree in a folder, and drive Debian's Chromium with Playwright.

Tests, docpages/screenshots.py and benchmarks/app.py use it. Nothing is downloaded: Playwright brings
its driver, Debian the browser.
"""

import importlib.util
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

ROOT = Path(__file__).resolve().parent.parent.parent
WIDTH, HEIGHT = 1380, 1000
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]
OPTIONS = [
    "--server.headless",
    "true",
    "--server.fileWatcherType",
    "none",
    "--browser.gatherUsageStats",
    "false",
]
FINISHED = '[data-testid="stApp"][data-test-script-state="notRunning"]'


class ServerError(RuntimeError):
    """The app did not come up."""


def missing() -> list[str]:
    """What is not installed here."""
    absent = [] if shutil.which("chromium") else ["chromium"]
    return absent + ([] if importlib.util.find_spec("playwright") else ["playwright"])


@contextmanager
def served(folder: Path, wait_s: float = 180) -> Iterator[str]:
    """The app over the site in `folder`; its address.

    Raises:
        ServerError: it did not answer in time; the message ends with what it printed.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(ROOT / "app.py"),
        "--server.port",
        str(port),
        *OPTIONS,
    ]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + wait_s
            while not _answers(url):
                if time.monotonic() > deadline or process.poll() is not None:
                    log.seek(0)
                    printed = log.read().decode(errors="replace")[-3000:]
                    raise ServerError(f"{' '.join(command)}: no answer\n{printed}")
                time.sleep(0.2)
            yield url
        finally:
            process.terminate()
            process.wait()


def _answers(url: str) -> bool:
    with suppress(OSError):
        urllib.request.urlopen(f"{url}/_stcore/health", timeout=30).close()
        return True
    return False


@contextmanager
def browser() -> Iterator["BrowserContext"]:
    """A browser with an empty profile; files that it downloads are kept until it closes."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, tempfile.TemporaryDirectory(prefix="weir-") as profile:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=shutil.which("chromium"),
            headless=True,
            viewport={"width": WIDTH, "height": HEIGHT},
            args=QUIET,
            permissions=["clipboard-read"],
        )
        context.set_default_timeout(120_000)
        try:
            yield context
        finally:
            context.close()


def visit(page: "Page", url: str) -> None:
    """Open an address and wait until the app has drawn it."""
    page.goto(url)
    settled(page)


def settled(page: "Page") -> None:
    """Wait until the script has run, its first heading is there and no placeholder is left."""
    page.locator(FINISHED).wait_for()
    page.locator('[data-testid="stMain"] h2').first.wait_for()
    page.wait_for_function("!document.querySelector('[data-testid=stSkeleton]')")
    page.locator(FINISHED).wait_for()


def shown(page: "Page") -> str:
    """All text of the page, without its menu; white space is one space."""
    return re.sub(r"\s+", " ", page.locator('[data-testid="stMain"]').inner_text())
