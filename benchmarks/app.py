"""Measure how long the app's pages take to load, and how much they send.

    python -m benchmarks.app [--trials N ...] [--folder FOLDER]

Catalogs of so many finished trials (10 methods, 5 mixtures, seeds; two tasks, two datasets, so six
results each) are made by SQL, with numbers drawn at random. Every page is opened twice in a real
browser: cold, when the server has to compute its answers, and warm, when it kept them. Painted: the
heading and the age of the snapshot are there. Whole: everything is there. Sent: what went through
the web socket, in kB, which is everything but the app's own files.
"""

import argparse
import tempfile
import time
from pathlib import Path

from playwright.sync_api import BrowserContext

from schema.catalog import transaction
from schema.site import Site
from schema.summaries import store
from tests.browser.chromium import browser, served, settled
from tests.filled import Filled

PAGES = (
    "",
    "compare",
    "runs",
    "operations",
    "trial?id=2",
    "retention_at_budget",
    "trial_state",
)
METHODS, MIXTURES = 10, 5
FILL = """
INSERT INTO method (name) SELECT 'method_' || n FROM range({methods}) AS r(n);
INSERT INTO mixture (name, update_share, buffer_share, pretraining_share)
SELECT 'mixture_' || n, 1, 0, 0 FROM range({mixtures}) AS r(n);
DELETE FROM suite_member WHERE dataset NOT IN ('birds', 'dogs');
INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, study)
SELECT 'tiny', 'world', 'mixture_' || (n // {methods} % {mixtures}), 'method_' || (n % {methods}), 'usual', 'small',
       n // ({methods} * {mixtures}), 'study ' || (n % 20) FROM range({trials}) AS r(n);
INSERT INTO attempt (trial, attempt, spec, spec_id, batch, position)
SELECT id, 1, '{{}}', 'abc', 'weir-' || id // 1000, id % 1000 FROM trial;
INSERT INTO submission (trial, attempt, backend, job_id, folder) SELECT id, 1, 'local', 'job ' || id, 'runs/' || id FROM trial;
INSERT INTO outcome (trial, attempt, state, started_at, finished_at)
SELECT id, 1, 'done', TIMESTAMP '2026-01-01 10:00:00', TIMESTAMP '2026-01-01 11:00:00' FROM trial;
INSERT INTO result SELECT t.id, 1, task, 10 * task, dataset, 'top1', 'all', 'deployed',
       0.3 + 0.1 * task + 0.02 * (hash(t.method) % 10)::DOUBLE / 10 + 0.05 * random(), 50, 1
FROM trial t, range(3) AS k(task), (VALUES ('birds'), ('dogs')) AS d(dataset);
INSERT INTO cost (trial, attempt, task, phase, flops, peak_bytes, seconds, steps, pairs)
SELECT t.id, 1, task, 'train', 1e9, NULL, 2.0, 10, 160 FROM trial t, range(1, 3) AS k(task);
"""


def main() -> None:
    """Print a row per size and page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 100_000, 1_000_000])
    parser.add_argument(
        "--folder",
        type=Path,
        default=None,
        help="where the catalogs are made (default: a temporary folder)",
    )
    asked = parser.parse_args()
    print(
        "| trials | page | cold: painted | whole | warm: painted | whole | sent |\n|---|---|---|---|---|---|---|"
    )
    for trials in asked.trials:
        with tempfile.TemporaryDirectory(dir=asked.folder, prefix="weir-benchmark-") as name:
            made(Path(name), trials)
            measure(Path(name), trials)


def made(folder: Path, trials: int) -> None:
    """Create a site with a published catalog of `trials` trials."""
    site = Site.load(folder)
    site.snapshot.mkdir(parents=True)
    filled = Filled(site.snapshot / "catalog-000001.duckdb")
    filled.connection.execute(FILL.format(trials=trials, methods=METHODS, mixtures=MIXTURES))
    with transaction(filled.connection):
        store(filled.connection)  # as publishing does
    filled.connection.close()
    site.current.symlink_to("catalog-000001.duckdb")


def measure(folder: Path, trials: int) -> None:
    """Measure every page, cold and warm."""
    with served(folder) as url, browser() as context:
        opened(
            context, f"{url}/console", []
        )  # the libraries are loaded and the app's own files are in the browser
        for page in PAGES:
            sent: list[int] = []
            cold = opened(context, f"{url}/{page}", [])
            warm = opened(context, f"{url}/{page}", sent)
            times = " | ".join(f"{seconds:.1f} s" for seconds in (*cold, *warm))
            print(
                f"| {trials:,} | {page or 'answer'} | {times} | {sum(sent) / 1000:.0f} kB |",
                flush=True,
            )


def opened(context: BrowserContext, url: str, sent: list[int]) -> tuple[float, float]:
    """Return the seconds until the page is painted, and until it is complete."""
    page = context.new_page()
    page.set_default_timeout(300_000)
    page.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda frame: sent.append(len(frame))),
    )
    began = time.perf_counter()
    page.goto(url)
    page.locator('[data-testid="stMain"] h2').first.wait_for()
    page.locator('[data-testid="stSidebar"]').get_by_text("published").wait_for()
    painted = time.perf_counter() - began
    settled(page)
    whole = time.perf_counter() - began
    page.close()
    return painted, whole


if __name__ == "__main__":
    main()
