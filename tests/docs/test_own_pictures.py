"""docs/own_pictures.md is true: its commands are run in their order, exactly as they stand there.

A block of shell is run by bash, which ends at the first command that fails. A block of SQL is
written to the file that its first line names.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from docpages.markdown import DOCS

TEXT = (DOCS / "own_pictures.md").read_text()
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Every fenced block of a page: its language, and what it holds."""
    for match in BLOCK.finditer(text):
        yield match[1], match[2]


def shell(script: str, folder: Path) -> str:
    """What a block of the page prints, with the interpreter of the tests as `python`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "COLUMNS": "200"}
    command = ["bash", "-e", "-o", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def in_order(excerpt: str, output: str) -> None:
    """Each part of an excerpt, between two `[...]`, is printed, one after the other."""
    place = 0
    for part in excerpt.split("[...]\n"):
        assert part in output[place:], f"not printed, or not in this order:\n{part}\n{output}"
        place = output.index(part, place) + len(part)


@pytest.mark.slow
def test_its_commands_lead_to_its_answer(folder: Path) -> None:
    outputs: dict[str, str] = {}
    latest = ""
    for language, block in blocks(TEXT):
        if language == "sql":
            (name,) = re.findall(r"\A-- (\w+\.sql)", block)
            (folder / name).write_text(block)
        elif language == "sh":
            latest = shell(block, folder)
            # Every block that runs a command of ours is remembered by its last one.
            outputs[re.findall(r"python (?:-m )?(.*)", block)[-1]] = latest
        elif latest.startswith("INSERT"):
            in_order(block, latest)

    assert len(list((folder / "pictures").rglob("*.png"))) == 64
    check = outputs["schema check pictures --sheet sheets"]
    assert re.search(r"^pictures +imagefolder +52 +12 +there *$", check, re.MULTILINE), check
    assert (folder / "sheets/pictures.png").exists()
    captioned = outputs["schema draft captioned"]
    assert '"caption": "text"' in captioned and "('captioned', 1, 'captioned', '*')" in captioned
    assert re.search(r"^\S+ 4 done; ", outputs["runner.sync --watch"], re.MULTILINE)
    answer = outputs["queries trajectory"].partition("\nHow do learning")[0]
    assert without_numbers(answer)[3:] == without_numbers(printed_answer())
    assert "nan" not in answer.casefold()


def printed_answer() -> str:
    """Return the answer that the page prints."""
    (answer,) = [block for language, block in blocks(TEXT) if "ka_gain" in block and not language]
    return answer


def without_numbers(answer: str) -> list[list[str]]:
    """Return the words of each line; accuracies differ from one kind of processor to another."""
    return [
        [re.sub(r"^-?\d\.\d+$", "number", word) for word in line.split()]
        for line in answer.splitlines()
    ]


def test_the_page_explains_columns_that_its_answer_has() -> None:
    for column in ("ka_gain", "few_seeds", "zs_loss"):
        assert f" {column} " in printed_answer() and f"`{column}`" in TEXT
