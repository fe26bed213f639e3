"""Check that the options of `python -m queries` can be combined."""

import argparse

from queries import AskError
from queries.answers import FIGURES

# What may be asked for beside questions
OTHERS = ("report", "export", "mcp")
# Options of a question of which one may be chosen, and what each does
PURPOSES = {
    "--sql": "prints the statement",
    "--describe": "says what the columns mean",
    "--json": "prints the answer",
    "--out": "writes it",
}


def check_options(options: argparse.Namespace) -> None:
    """Check that the options can be combined.

    Raises:
        AskError: they cannot; the message says which, and why.
    """
    given = [option for option in PURPOSES if getattr(options, option.strip("-"))]
    for option in given:
        if options.name is None and option != "--json":
            raise AskError(f"{option} needs the NAME of a question")
        if options.name in OTHERS:
            raise AskError(f"{option} is of a question, and {options.name} does not take it")
    if options.name == "mcp" and options.parameters:
        raise AskError(f"mcp takes no words, and not {options.parameters[0]!r}")
    if options.width is not None and (options.out is None or options.out.suffix not in FIGURES):
        raise AskError(f"--width is of a figure: --out FILE with {', '.join(FIGURES)}")
    if len(given) > 1:
        first, second = (f"{option} {PURPOSES[option]}" for option in given[:2])
        raise AskError(f"{first} and {second}; choose one of the two")
