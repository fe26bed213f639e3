"""Answer one SELECT on a snapshot, in a process that can be killed: `python -m screens.statement`.

DuckDB checks for interruption only between batches of rows, so one function call on long texts can
run for minutes after it was interrupted. A process can be killed at any moment. This one reads a
request as JSON from standard input, and writes the answer to standard output as an Arrow stream, or
an error message to standard error.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl

from schema.locked import locked

ROOT = Path(__file__).resolve().parent.parent
# An answer above this size is refused: the browser would have to hold it.
MOST_MB = 50
# Seconds that the parent waits beyond the statement's limit, for start and for transfer.
START_S = 60.0
REFUSED = 2
READS = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
# Types that a data frame and CSV can hold; all others are shown as text.
PLAIN = re.compile(
    r"(BOOLEAN|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\)|VARCHAR"
    r"|DATE|TIME|TIMESTAMP(_S|_MS|_NS)?|TIMESTAMP WITH TIME ZONE)(\[\])*"
)


class StatementError(ValueError):
    """A statement was refused or failed; the message says why, and what to do."""


def ask(snapshot: Path, text: str, rows: int, seconds: float) -> pl.DataFrame:
    """Return at most `rows` rows of one SELECT, run in a process with a limit of `seconds`.

    Raises:
        StatementError: it is not one SELECT, DuckDB refuses it (with DuckDB's message), it ran past
            the time, or its answer is too large.
    """
    request = {"snapshot": str(snapshot), "text": text, "rows": rows, "seconds": seconds}
    # The app may run in any folder, so the package's folder is put on the path.
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "screens.statement"]
    try:
        child = subprocess.run(
            command,
            input=json.dumps(request).encode(),
            capture_output=True,
            env=os.environ | {"PYTHONPATH": path},
            timeout=START_S + seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise StatementError(_stopped(seconds)) from error
    if child.returncode == -signal.SIGALRM:
        raise StatementError(_stopped(seconds))
    if child.returncode == REFUSED:
        raise StatementError(child.stderr.decode(errors="replace").strip())
    if child.returncode != 0:
        raise StatementError(
            f"The process that ran the statement ended with code {child.returncode}, perhaps "
            "because the machine is short of memory. Ask for less, or use a notebook."
        )
    return pl.read_ipc_stream(child.stdout)


def _stopped(seconds: float) -> str:
    return (
        f"Stopped after {seconds:g} s. Ask for less: filter by trial or study, or use a notebook."
    )


def answered(connection: duckdb.DuckDBPyConnection, text: str, rows: int) -> pl.DataFrame:
    """Return at most `rows` rows of one SELECT or EXPLAIN.

    Raises:
        StatementError: it is another kind of statement, or its answer is too large.
        duckdb.Error: DuckDB refuses it.
    """
    statements = connection.extract_statements(text)
    if len(statements) != 1 or statements[0].type not in READS:
        kinds = ", ".join(statement.type.name for statement in statements) or "nothing"
        raise StatementError(
            f"The console runs one SELECT at a time, and this is {kinds}. Declare rows with "
            "python -m schema my_grid.sql; the snapshot is read-only."
        )
    relation = connection.sql(statements[0].query).limit(rows)
    columns = zip(relation.columns, relation.types, strict=True)
    frame: pl.DataFrame = relation.project(", ".join(_column(*one) for one in columns)).pl()
    size_mb = frame.estimated_size("mb")
    if size_mb > MOST_MB:
        raise StatementError(
            f"The answer has {size_mb:,.0f} MB, and the console shows at most {MOST_MB}. "
            "Ask for fewer or shorter columns, or use a notebook."
        )
    return frame


def _column(name: str, kind: object) -> str:
    """Return the SQL of a column, as text where its type has no column in a data frame."""
    quoted = '"' + name.replace('"', '""') + '"'
    if PLAIN.fullmatch(str(kind)):
        return quoted
    return f"CAST({quoted} AS VARCHAR) AS {quoted}"


def main() -> int:
    """Answer the request on standard input; exit code 2 when it is refused."""
    request = json.load(sys.stdin)
    with contextlib.closing(locked(Path(request["snapshot"]))) as connection:
        # The statement's time starts here. The kernel ends this process when it is over.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, request["seconds"])
        try:
            frame = answered(connection, request["text"], request["rows"])
        except (StatementError, duckdb.Error) as error:
            print(error, file=sys.stderr)
            return REFUSED
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    frame.write_ipc_stream(sys.stdout.buffer)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
