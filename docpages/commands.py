"""Write docs/commands.md: every command with its options, read from the commands' own parsers."""

import argparse
import contextlib
import importlib
import io
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from unittest import mock

from docpages.markdown import ROOT, WRITTEN, cell, code, plain, table

HEAD = """Weir is used by a handful of commands. Each is called in the folder that holds `site.toml`
([site.md](site.md)), or would hold it, and says with `--help` what is below. Exit codes are 0 when
all is well and 2 when nothing could be done; where a command has others, they are listed."""
TAIL = """## The app

`streamlit run app.py` opens the app ([app.md](app.md)). It listens on this machine only
(`.streamlit/config.toml`); options of `streamlit run` change that, `--server.port 8502` for
example.

## Make

| command | what it does |
|---|---|
| `make demo` | sets up, runs the demo and prints its answers |
| `make test` | sets up, then linters, types, the documentation and every test |
| `make fast` | the same without the slow tests |
| `make docs` | builds these pages as a site, `docs/_site/index.html`; warnings are errors |
| `python -m docpages.generate` | writes the generated pages of docs/ anew |"""


class ParserSeen(Exception):  # noqa: N818 - it is no error: it carries the parser out of a command
    """Raised in place of parsing, to return the parser that a command has built."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        """Store the parser."""
        super().__init__(parser.prog)
        self.parser = parser


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command: how it is called, and the module that holds its `main`."""

    call: str
    module: str
    # Arguments that choose a subcommand's parser, and exit codes beside 0 and 2.
    words: tuple[str, ...] = ()
    codes: str = ""
    # Whether it belongs to the GPU half; its parser is then read in a separate process.
    alone: bool = False

    @property
    def main(self) -> Callable[[list[str]], int]:
        """Return the function that the command calls with its arguments."""
        function: Callable[[list[str]], int] = importlib.import_module(self.module).main
        return function


COMMANDS = (
    Command(call="python -m schema", module="schema.__main__"),
    Command(
        call="python -m schema check",
        module="schema.__main__",
        words=("check",),
        codes="1: a dataset is absent.",
    ),
    Command(call="python -m schema draft", module="schema.__main__", words=("draft",)),
    Command(call="python -m schema fomo", module="schema.__main__", words=("fomo",)),
    Command(
        call="python -m runner.sync",
        module="runner.sync",
        codes="1: degraded, something could not be reached or trusted; 130: stopped by Ctrl-C.",
    ),
    Command(
        call="python -m runner.trial",
        module="runner.trial",
        codes="1: the attempt ended otherwise than done (`outcome.json` says how).",
        alone=True,
    ),
    Command(call="python -m runner.order", module="runner.order"),
    Command(
        call="python -m runner.profiling",
        module="runner.profiling",
        codes="1: some could not be measured.",
    ),
    Command(call="python -m runner.export", module="runner.export"),
    Command(call="python -m queries", module="queries.__main__"),
)


def page() -> str:
    """Return the whole page."""
    sections = ["# Commands", WRITTEN, HEAD]
    for command in COMMANDS:
        sections.append(apart(command) if command.alone else section(command))
    return "\n\n".join([*sections, TAIL]) + "\n"


def parser(command: Command) -> argparse.ArgumentParser | None:
    """Return the parser of a command; None if it has none.

    The command is run up to the point at which it would parse its arguments.
    """
    try:
        with _handing_over(), contextlib.redirect_stderr(io.StringIO()):
            command.main([*command.words, "--help"])
    except ParserSeen as seen:
        return seen.parser
    except SystemExit:
        return None
    return None


@contextlib.contextmanager
def _handing_over() -> Iterator[None]:
    """Patch argparse so that a parser raises `ParserSeen` instead of parsing."""

    def hand_over(self: argparse.ArgumentParser, *_: object, **__: object) -> None:
        raise ParserSeen(self)

    command = argparse.ArgumentParser
    with (
        mock.patch.object(command, "parse_args", hand_over),
        mock.patch.object(command, "parse_intermixed_args", hand_over),
    ):
        yield


def usage(command: Command) -> str:
    """Return what a command without a parser prints when it is asked for help."""
    out = io.StringIO()
    with contextlib.redirect_stderr(out), contextlib.redirect_stdout(out):
        command.main(["--help"])
    return out.getvalue().strip()


@cache
def apart(command: Command) -> str:
    """Return the section about a command of the GPU half, from a separate process.

    A process that has loaded both halves reports errors when it ends.
    """
    child = [sys.executable, "-m", "docpages.commands", command.call]
    answer = subprocess.run(child, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return answer.stdout.strip()


def section(command: Command) -> str:
    """Return the section of the page about one command."""
    seen = parser(command)
    parts = [f"## {code(command.call)}"]
    if seen is None:
        parts.append(f"```text\n{usage(command)}\n```")
    else:
        # The formatter wraps to the terminal's width, which must not change the page.
        formatter = argparse.HelpFormatter(seen.prog, width=100)
        formatter.add_usage(seen.usage, seen._actions, seen._mutually_exclusive_groups, prefix="")
        parts.append(f"```text\n{formatter.format_help().strip()}\n```")
        parts.append(_listed(plain((seen.description or "").strip())))
        parts.append(table(("argument", "meaning"), _arguments(seen._actions)))
    if command.codes:
        parts.append(f"Further exit codes. {command.codes}")
    return "\n\n".join(filter(None, parts))


def _listed(text: str) -> str:
    """Return a description in which the forms of a call, one per line, become a list."""
    return re.sub(r"^(?=`python -m )", "- ", text, flags=re.MULTILINE)


def _arguments(actions: Sequence[argparse.Action]) -> Iterator[tuple[str, str]]:
    """Yield the rows of a table: an argument with its value, and its help."""
    for action in actions:
        if action.dest == "help" or action.help == argparse.SUPPRESS:
            continue
        names = ", ".join(action.option_strings)
        value = _value(action)
        meaning = cell(action.help or "")
        if action.required and action.option_strings:
            meaning += " (required)"
        yield cell(code(f"{names} {value}".strip())), meaning


def _value(action: argparse.Action) -> str:
    """Return how the value of an argument is written; nothing for a switch."""
    if action.nargs == 0:
        return ""
    if isinstance(action.metavar, str):
        return action.metavar
    if action.choices:
        return "|".join(map(str, action.choices))
    return action.dest.upper() if action.option_strings else action.dest


if __name__ == "__main__":
    print(section(next(one for one in COMMANDS if one.call == sys.argv[1])))
