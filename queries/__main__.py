"""List the questions, answer one, or write a report.

python -m queries [NAME [key=value ...]] [--describe] [--sql] [--json] [--out FILE] [--width INCHES]
python -m queries report DIR [study=... measure=... console=true]
python -m queries export mlflow|trackio|wandb [project=... study=... trial=...]
python -m queries mcp
"""

import argparse
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import duckdb
import polars as pl
from rich.console import Console
from rich.text import Text

from queries import AskError, QuestionError, answer, by_topic, named, opened, programs
from queries import questions as all_questions
from queries.answers import WIDTH, Answer, check_writable, write
from queries.asking import Asked, allowed, asked_of, statement
from queries.describe import described, wrapped
from queries.options import check_options
from queries.terminal import NARROWEST, ROWS_SHOWN, WHOLE, shown
from schema.site import Site, SiteError

# The methods of the catalog, oldest first, so that each keeps its colour in every figure
METHODS = "SELECT method FROM trial GROUP BY method ORDER BY min(id)"


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    command = argparse.ArgumentParser(
        prog="python -m queries",
        description="Lists the questions, or answers one. `report DIR [study=... console=true]` "
        "writes a report, `export TRACKER [project=...]` sends trials to mlflow, trackio or wandb, "
        "`mcp` serves the questions as tools to an agent.",
    )
    command.add_argument(
        "name", nargs="?", metavar="NAME", help="a question; without it all are listed"
    )
    command.add_argument(
        "parameters",
        nargs="*",
        metavar="key=value",
        help="parameters of the question, or columns that must have a value",
    )
    command.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write the answer to FILE: .csv, .parquet, .json, .md, .html, .tex (booktabs), or its "
        "figure: .pdf, .svg, .png",
    )
    command.add_argument(
        "--width",
        type=float,
        metavar="INCHES",
        help=f"of a figure: 3.25 for one column of a paper; default: {WIDTH}",
    )
    command.add_argument(
        "--describe", action="store_true", help="say what its parameters and columns mean, instead"
    )
    command.add_argument(
        "--sql",
        action="store_true",
        help="print how the question is asked, and its definition, instead",
    )
    command.add_argument(
        "--json",
        action="store_true",
        help="print the whole answer, or the list of questions, as JSON (docs/programs.md)",
    )
    return command


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Return 0, or 2 when the question cannot be asked or answered (the message says why).
    """
    # Options may stand between the words, as in `ranked --json measure=a_ka`.
    options = parser().parse_intermixed_args(arguments)
    try:
        run(options)
    except (AskError, QuestionError, SiteError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader of the pipe has closed it. Without this, Python reports an error when it
        # flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, duckdb.Error) as error:
        # The file is another program's, the snapshot is damaged, or the disk cannot be read
        print(
            f"the snapshot cannot be read: {error}\nMake another: remove the folder lab/snapshot, "
            "then python -m runner.sync",
            file=sys.stderr,
        )
        return 2
    return 0


def run(options: argparse.Namespace) -> None:
    """List the questions, print the statement of one, describe it, or answer it.

    Raises:
        AskError: options that do not go together, or as `answered`.
    """
    check_options(options)
    if options.name == "report":
        reported(options.parameters)
    elif options.name == "export":
        # Only who exports pays for the tracker's own library
        from queries import trackers

        site = Site.load()
        with opened(site.current) as connection:
            print(trackers.exported(connection, options.parameters, site))
    elif options.name == "mcp":
        # Imported here, as only the server needs the package.
        from queries import mcp_server

        mcp_server.run()
    elif options.name is None:
        if options.json:
            print(programs.text(programs.listed(all_questions())))
        else:
            _print(listed(_width()))
    elif options.sql:
        print(statement(named(options.name), options.parameters))
    elif options.describe:
        question = named(options.name)
        with opened(Site.load().current) as connection:
            choices = [(name, allowed(connection, question, name)) for name in question.parameters]
            width = min(_width(), 100)
            _print(Text(wrapped(described(connection, question, choices), width)))
    else:
        answered(options)


def reported(words: list[str]) -> None:
    """Write a report into the folder that the first word names.

    Raises:
        AskError: no folder is named, or as `report.write`.
    """
    # Imported here, as Altair takes a second to import and only figures need it.
    from queries import report

    if not words or "=" in words[0]:
        raise AskError("a report needs a folder: python -m queries report DIR [study=...]")
    folder, current = Path(words[0]), Site.load().current
    with opened(current) as connection:
        size = report.write(connection, folder, words[1:], report.now(current))
    print(f"{folder / 'index.html'}: {size / 1e6:.1f} MB with its data")


def listed(width: int) -> Text:
    """Return a list of all questions by topic: name, text and parameters."""
    text = Text()
    for topic, of_topic in by_topic().items():
        text.append(f"\n{topic}\n", "bold")
        longest = max(len(question.name) for question in of_topic)
        for question in of_topic:
            line = f"{question.name.ljust(longest)}  {question.question}"
            if question.parameters:
                line += f"  [{', '.join(question.parameters)}]"
            text.append_text(_hanging(line, longest + 2, width)).append("\n")
    text.append("\npython -m queries NAME answers one, --describe says what it means", "dim")
    return text


def _hanging(line: str, indent: int, width: int) -> Text:
    """Return a line wrapped at the width, with a hanging indent."""
    room = max(width, indent + NARROWEST // 2)
    lines = textwrap.wrap(line, room, subsequent_indent=" " * indent, break_on_hyphens=False)
    return Text("\n".join(lines))


def answered(options: argparse.Namespace) -> None:
    """Print the answer, as a table or as JSON, or write it to a file.

    Raises:
        AskError: an unknown question, parameter, column or value.
        ValueError: a file that cannot be written, or a figure that cannot be drawn.
    """
    question = named(options.name)
    if options.out:
        check_writable(options.out)
    whole = options.out or options.json
    methods: tuple[str, ...] = ()
    with opened(Site.load().current) as connection:
        asked = asked_of(connection, question, options.parameters)
        # One row more than is shown is read, to know whether there are more.
        rows = None if whole else ROWS_SHOWN + 1
        frame = answer(connection, question, asked.parameters, rows=rows, where=asked.where)
        if options.out:
            methods = tuple(name for (name,) in connection.execute(METHODS).fetchall())
    if options.json:
        print(programs.text(programs.answered(question, frame, asked.words)))
        return
    if options.out:
        width = options.width or WIDTH
        parameters = dict(asked.words)
        try:
            write(
                Answer(
                    question=question,
                    frame=frame,
                    parameters=parameters,
                    methods=methods,
                    width=width,
                ),
                options.out,
            )
        except OSError as error:
            raise ValueError(f"cannot write {options.out}: {error.strerror or error}") from error
        print(f"{options.out}: {len(frame)} rows")
        return
    _print(page(asked, frame, _width()))


def page(asked: Asked, frame: pl.DataFrame, width: int) -> Text:
    """Return the answer for a terminal, headed by the question and its parameters."""
    question = asked.question
    text = Text()
    heads = [(question.question, "bold"), (question.grain, "dim")]
    words = [f"{name}={value}" for name, value in asked.words.items()]
    if words:
        heads.append((f"asked with {' '.join(words)}", "dim"))
    for line, style in heads:
        lines = _hanging(line, 0, width)
        lines.stylize(style)
        text.append_text(lines).append("\n")
    if not frame.is_empty():
        return text.append_text(shown(frame, width, question))
    text.append("no rows")
    if words and not question.is_audit:
        text.append(" with these values; --describe says what they may be")
    return text


def _width() -> int:
    """Return the width of a line: that of the terminal; for a file or a pipe, no limit.

    COLUMNS, where it is set, overrides both.
    """
    if not sys.stdout.isatty() and not os.environ.get("COLUMNS", "").isdigit():
        return WHOLE
    return max(shutil.get_terminal_size().columns, NARROWEST)


def _print(text: Text) -> None:
    """Print a text, through a pager where one is installed and the text exceeds the terminal."""
    console = Console(highlight=False, width=WHOLE, soft_wrap=True)
    if not sys.stdout.isatty():
        console.print(text)
        return
    lines = text.plain.count("\n")
    less = shutil.which("less")
    if lines < shutil.get_terminal_size().lines or less is None or not sys.stdin.isatty():
        console.print(text)
        return
    with console.capture() as captured:
        console.print(text)
    # -R: keep styles; -F -X: print a text that fits and leave it on the terminal; -S: no wrapping
    subprocess.run([less, "-RFXS"], input=captured.get(), text=True, check=False)


if __name__ == "__main__":
    raise SystemExit(main())
