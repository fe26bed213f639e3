"""`python -m queries [NAME [key=value ...]] [--sql] [--out FILE.csv|.parquet|.json]`: lists the questions, or answers one."""

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


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0; 2 when the question cannot be asked or answered (the message says why)."""
    parser = argparse.ArgumentParser(
        prog="python -m queries", description="Lists the questions, or answers one."
    )
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="a question; without it all are listed"
    )
    parser.add_argument(
        "parameters", nargs="*", metavar="key=value", help="parameters of the question"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write the answer to FILE.csv, .parquet or .json"
    )
    parser.add_argument(
        "--sql",
        action="store_true",
        help="print how the question is asked, and its definition, instead",
    )
    given = parser.parse_args(arguments)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 10_000)
    try:
        if given.name is None:
            if given.out or given.sql:
                raise AskError(f"{'--out' if given.out else '--sql'} needs the NAME of a question")
            listed(console)
        elif given.sql:
            print(said(named(given.name), given.parameters))
        else:
            answered(console, given.name, given.parameters, given.out)
    except (AskError, QuestionError, SiteError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    except (OSError, duckdb.Error) as error:
        # Another program's file, a snapshot that was damaged, a disk that does not let itself be read
        print(
            f"the snapshot cannot be read: {error}\nMake another: remove the folder lab/snapshot, then "
            "python -m runner.sync",
            file=sys.stderr,
        )
        return 2
    return 0


def listed(console: Console) -> None:
    """Print every question with its parameters, by topic."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("name", no_wrap=True)
    table.add_column("question")
    table.add_column("parameters")
    for topic, asked in by_topic().items():
        table.add_row()
        table.add_row("", Text(topic, style="bold"))
        for question in asked:
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
        frame = answer(connection, question, parameters, rows=None if out else ROWS_SHOWN + 1)
    if out:
        write(frame, out)
        console.print(f"{out}: {len(frame)} rows")
        return
    console.print(Text(question.question, style="bold"))
    console.print(Text(question.grain, style="dim"))
    console.print(shown(frame) if len(frame) else "no rows")


def said(question: Question, words: list[str]) -> str:
    """The statement that asks the question with these parameters, and the file that defines it."""
    given = ", ".join(
        f"{key} := '{value.replace(chr(39), 2 * chr(39))}'"
        for key, value in parsed(question, words).items()
    )
    call = f"{question.name}({given})" if question.kind == "macro" else question.name
    return f"FROM {call};\n\n-- {question.file}\n{question.sql.rstrip()}"


def parsed(question: Question, words: list[str]) -> dict[str, str]:
    """`key=value` words as parameters.

    Raises:
        AskError: a word of another form, a key the question does not have, or one given twice.
    """
    parameters: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        allowed = ", ".join(question.parameters) or "none: it takes no parameters"
        if not equals or key not in question.parameters:
            what = (
                f"has no parameter {key!r}" if equals else f"cannot read {word!r}; write key=value"
            )
            raise AskError(
                f"{question.name}: {what}. Allowed: {allowed}.{nearest(key, list(question.parameters))}"
            )
        if key in parameters:
            raise AskError(f"{question.name}: {key} is given twice")
        parameters[key] = value
    return parameters


if __name__ == "__main__":
    raise SystemExit(main())
