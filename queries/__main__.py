"""List the questions, or answer one.

python -m queries [NAME [key=value ...]] [--sql] [--out FILE.csv|.parquet|.json]
"""

import argparse
import sys
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table
from rich.text import Text

from queries import AskError, Question, QuestionError, answer, by_topic, named, opened
from queries.answers import ROWS_SHOWN, check_writable, shown, write
from schema.site import Site, SiteError
from schema.words import nearest


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    command = argparse.ArgumentParser(
        prog="python -m queries", description="Lists the questions, or answers one."
    )
    command.add_argument(
        "name", nargs="?", metavar="NAME", help="a question; without it all are listed"
    )
    command.add_argument(
        "parameters", nargs="*", metavar="key=value", help="parameters of the question"
    )
    command.add_argument(
        "--out", type=Path, metavar="FILE", help="write the answer to FILE.csv, .parquet or .json"
    )
    command.add_argument(
        "--sql",
        action="store_true",
        help="print how the question is asked, and its definition, instead",
    )
    return command


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Return 0, or 2 when the question cannot be asked or answered (the message says why).
    """
    options = parser().parse_args(arguments)
    try:
        run(options)
    except (AskError, QuestionError, SiteError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    except (OSError, duckdb.Error) as error:
        # Another program's file, a snapshot that was damaged, a disk that refuses to be read
        print(
            f"the snapshot cannot be read: {error}\nMake another: remove the folder lab/snapshot, "
            "then python -m runner.sync",
            file=sys.stderr,
        )
        return 2
    return 0


def run(options: argparse.Namespace) -> None:
    """List the questions, print the statement of one, or answer it.

    Raises:
        AskError: an option that needs the name of a question, or as `answered`.
    """
    # A file or a pipe takes whole lines; a terminal says how wide it is.
    console = Console(highlight=False)
    if not sys.stdout.isatty():
        console.width = 10_000
    if options.name is None:
        for option, value in {"--out": options.out, "--sql": options.sql}.items():
            if value:
                raise AskError(f"{option} needs the NAME of a question")
        listed(console)
    elif options.sql:
        print(statement(named(options.name), options.parameters))
    else:
        answered(console, options.name, options.parameters, options.out)


def listed(console: Console) -> None:
    """Print every question with its parameters, by topic."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("name", no_wrap=True)
    table.add_column("question")
    table.add_column("parameters")
    for topic, of_topic in by_topic().items():
        table.add_row()
        table.add_row("", Text(topic, style="bold"))
        for question in of_topic:
            table.add_row(
                Text(question.name),
                Text(question.question),
                Text(", ".join(map(str, question.parameters))),
            )
    console.print(table)


def answered(console: Console, name: str, words: list[str], out: Path | None) -> None:
    """Print the answer, or write it to `out`."""
    question = named(name)
    parameters = parsed(question, words)
    if out:
        check_writable(out)
    with opened(Site.load().current) as connection:
        # One row more than is shown tells whether there are more.
        rows = None if out else ROWS_SHOWN + 1
        frame = answer(connection, question, parameters, rows=rows)
    if out:
        write(frame, out)
        console.print(f"{out}: {len(frame)} rows")
        return
    console.print(Text(question.question, style="bold"))
    console.print(Text(question.grain, style="dim"))
    if frame.is_empty():
        console.print("no rows")
    else:
        console.print(shown(frame))


def statement(question: Question, words: list[str]) -> str:
    """Return the statement that asks the question with these parameters, and its definition."""
    parameters = parsed(question, words)
    call = question.name
    if question.kind == "macro":
        # A quote inside a text is written twice in SQL.
        quoted = {key: value.replace("'", "''") for key, value in parameters.items()}
        arguments = [f"{key} := '{value}'" for key, value in quoted.items()]
        call += f"({', '.join(arguments)})"
    return f"FROM {call};\n\n-- {question.file}\n{question.sql.rstrip()}"


def parsed(question: Question, words: list[str]) -> dict[str, str]:
    """Return `key=value` words as parameters.

    Raises:
        AskError: a word of another form, a key the question does not have, or one given twice.
    """
    parameters: dict[str, str] = {}
    allowed = ", ".join(question.parameters) or "none: it takes no parameters"
    for word in words:
        key, equals, value = word.partition("=")
        near = nearest(key, list(question.parameters))
        if not equals:
            what = f"cannot read {word!r}; write key=value"
            raise AskError(f"{question.name}: {what}. Allowed: {allowed}.{near}")
        if key not in question.parameters:
            what = f"has no parameter {key!r}"
            raise AskError(f"{question.name}: {what}. Allowed: {allowed}.{near}")
        if key in parameters:
            raise AskError(f"{question.name}: {key} is given twice")
        parameters[key] = value
    return parameters


if __name__ == "__main__":
    raise SystemExit(main())
