"""Run the SELECTs of rules in a process that can be ended: `python -m runner.scheduler.ask_rules`.

DuckDB looks at an interruption only between batches of rows, and a SELECT may ask for more memory
than there is. The kernel ends this process whatever it does, and sync goes on with the rules behind
the one that it died of. It reads a request as JSON from standard input, and writes a line of JSON
for each rule as soon as it has run.
"""

import contextlib
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb

from runner.scheduler import learned
from schema.checks.standing import Rule, RuleError, drawing, rows
from schema.locked import locked

# The exit code where the catalog cannot be opened
BUSY = 3


def main() -> int:
    """Run the rules of the request, each within its seconds; return the exit code."""
    request = json.load(sys.stdin)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    try:
        connection = locked(Path(request["catalog"]))
    except duckdb.Error as error:
        print(error, file=sys.stderr)
        return BUSY
    with contextlib.closing(connection):
        for entry in request["rules"]:
            # Each rule has its own time, and the kernel ends this process when it is over
            signal.setitimer(signal.ITIMER_REAL, request["seconds"])
            reply = answer(connection, Rule(**entry))
            signal.setitimer(signal.ITIMER_REAL, 0)
            # Without a limit: the library takes seconds to import, and drawing always ends
            print(json.dumps(drawn(reply)), flush=True)
    return 0


def answer(connection: duckdb.DuckDBPyConnection, rule: Rule) -> dict[str, Any]:
    """Return what a rule returns that the catalog lacks, or why it cannot be run."""
    try:
        columns, returned = rows(connection, rule)
    except RuleError as error:
        return {"error": str(error)}
    return {"columns": columns, "rows": returned}


def drawn(reply: dict[str, Any]) -> dict[str, Any]:
    """Return an answer whose trials have recipes, drawn here where the rule leaves that open."""
    if not drawing(reply.get("columns", ())):
        return reply
    try:
        columns, trials, recipes = learned.draw(reply["columns"], reply["rows"])
    except RuleError as error:
        return {"error": str(error)}
    made = [asdict(recipe) for recipe in recipes]
    return {"columns": columns, "rows": trials, "recipes": made}


if __name__ == "__main__":
    raise SystemExit(main())
