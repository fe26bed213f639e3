"""Copy DuckDB-WASM into a report, so that its page answers SQL in the browser, without network.

DuckDB-WASM and Arrow's JavaScript come from npm, by the `npm` of whoever writes the report, and are
kept in the user's cache (XDG_CACHE_HOME, else ~/.cache). Their files are checked by their sha256.
A page that is opened from the disk may run scripts beside it, but fetch nothing, so a report's
console has its parts as scripts:

    console/engine.js     Arrow, DuckDB-WASM, and its worker and program, packed
    console/tables.js     each table of DIR/data, as a packed Arrow stream: DuckDB-WASM reads
                          Parquet by an extension that it would fetch
    console/console.js    what starts them and shows answers (report_console.js)
"""

import base64
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from queries import AskError

FOLDER = "console"
OURS = Path(__file__).with_suffix(".js")
WITHOUT = "or leave console=true out: the report is whole without it"
# Seconds that npm may take
NPM_S = 600.0
DUCKDB, ARROW = "@duckdb/duckdb-wasm@1.32.0", "apache-arrow@17.0.0"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file of a package of npm."""

    package: str
    # Its path in the package's archive
    path: str
    sha256: str


# What a console consists of, by the names of the files in the cache
SOURCES = {
    "duckdb.wasm": Source(
        package=DUCKDB,
        path="package/dist/duckdb-eh.wasm",
        sha256="4c221bfa59c11f24dbd750e70c90b9252eca6eec5633936e6a2ec766e55fd879",
    ),
    "worker.js": Source(
        package=DUCKDB,
        path="package/dist/duckdb-browser-eh.worker.js",
        sha256="f8ab72b6b90b3ad83077d47426d4a99d5d9a4c7e07cba1a2be37d655adc7c1ab",
    ),
    "duckdb.cjs": Source(
        package=DUCKDB,
        path="package/dist/duckdb-browser.cjs",
        sha256="bf86743bc168edcb6b3dea652a0bb08608ed983473e46f8825aa0762cac5e10b",
    ),
    "arrow.js": Source(
        package=ARROW,
        path="package/Arrow.es2015.min.js",
        sha256="375fb7c891e25677c021e585d4ec51a5752112b182f41d51071b8401e590379e",
    ),
}
# Arrow's script sets the global `Arrow`; that of DuckDB is a module of Node, which asks for it.
ENGINE = """// {duckdb} (MIT) and {arrow} (Apache-2.0), from npm
{arrow_js}
var duckdb = (function () {{
var module = {{exports: {{}}}}, exports = module.exports, require = function () {{ return Arrow; }};
{duckdb_js}
return module.exports;
}})();
var WEIR = {{worker: "{worker}", wasm: "{wasm}", tables: {{}}}};
"""


def fetched() -> Path:
    """Return the folder of the cache that holds the files of SOURCES, fetched if they are missing.

    Raises:
        AskError: there is no npm, it fails, or a file is not the expected one.
    """
    folder = _cache() / f"console-{hashlib.sha256(repr(SOURCES).encode()).hexdigest()[:12]}"
    if all(_is_right(folder / name, source) for name, source in SOURCES.items()):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as aside:
        for package in (DUCKDB, ARROW):
            _unpack(_packed(package, Path(aside)), package, folder)
    return folder


def write(report: Path, engine: Path, tables: Mapping[str, pl.DataFrame]) -> None:
    """Write the folder `console` of a report, from the folder that `fetched` returned."""
    folder = report / FOLDER
    folder.mkdir(exist_ok=True)
    text = ENGINE.format(
        duckdb=DUCKDB,
        arrow=ARROW,
        arrow_js=(engine / "arrow.js").read_text(),
        duckdb_js=(engine / "duckdb.cjs").read_text(),
        worker=_text((engine / "worker.js").read_bytes()),
        wasm=_text((engine / "duckdb.wasm").read_bytes()),
    )
    (folder / "engine.js").write_text(text)
    lines = []
    for name, frame in tables.items():
        # Arrow's older types, since DuckDB-WASM has not heard of all newer ones
        stream = frame.write_ipc_stream(None, compat_level=pl.CompatLevel.oldest())
        lines.append(f'WEIR.tables[{json.dumps(name)}] = "{_text(stream.getvalue())}";\n')
    (folder / "tables.js").write_text("".join(lines))
    shutil.copyfile(OURS, folder / "console.js")


def table_name(file: str) -> str:
    """Return the name of the table of a data file: `ranked_1` of `1-ranked.parquet`."""
    place, dash, name = Path(file).stem.partition("-")
    return f"{name}_{place}" if dash else place


def _cache() -> Path:
    """Return the folder in which this user's programs keep what can be fetched again."""
    told = os.environ.get("XDG_CACHE_HOME")
    return (Path(told) if told else Path.home() / ".cache") / "weir"


def _packed(package: str, folder: Path) -> Path:
    """Fetch the archive of a package by npm, and return its path.

    Raises:
        AskError: there is no npm, or it fails.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise AskError(
            f"console=true copies {package} from npm, which is not installed here. Install npm, "
            f"{WITHOUT}"
        )
    aside = folder / package.replace("/", "-")
    aside.mkdir()
    command = [npm, "pack", package, "--pack-destination", str(aside), "--loglevel", "error"]
    try:
        child = subprocess.run(
            command, cwd=aside, capture_output=True, text=True, timeout=NPM_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise AskError(
            f"console=true: npm did not fetch {package} within {NPM_S:.0f} s. Try again, {WITHOUT}"
        ) from error
    archives = list(aside.glob("*.tgz"))
    if child.returncode or not archives:
        reason = child.stderr.strip() or f"exit code {child.returncode}"
        raise AskError(
            f"console=true: npm could not fetch {package}: {reason}\nTry again where it can, "
            f"{WITHOUT}"
        )
    return archives[0]


def _unpack(archive: Path, package: str, folder: Path) -> None:
    """Put the files of a package into the cache, each whole and checked or not at all.

    Raises:
        AskError: a file is missing in the archive, or is not the expected one.
    """
    with tarfile.open(archive) as opened:
        for name, source in SOURCES.items():
            if source.package != package:
                continue
            aside = archive.with_name(name)
            if source.path in opened.getnames():
                member = opened.extractfile(source.path)
                aside.write_bytes(b"" if member is None else member.read())
            if not _is_right(aside, source):
                raise AskError(
                    f"console=true: {source.path} of {package} is not the file that this version "
                    f"of Weir knows, so it is not copied. Look where npm fetches from, {WITHOUT}"
                )
            # Another process that writes a report sees the whole file or none
            aside.replace(folder / name)


def _is_right(path: Path, source: Source) -> bool:
    """Return whether a file is there and has the expected content."""
    if not path.is_file():
        return False
    return hashlib.sha256(path.read_bytes()).hexdigest() == source.sha256


def _text(content: bytes) -> str:
    """Return bytes as gzip in base64, the same for the same bytes."""
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()
