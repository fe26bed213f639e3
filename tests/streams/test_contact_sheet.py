"""The contact sheet writes captions in any script, or says which letters it has no font for."""

from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFont

from streams import contact_sheet, open_pairs
from streams.check import Finding, sheets
from streams.contact_sheet import _font_for, _missing, _spelled, written
from tests.layouts import encoded, row, write


def test_a_letter_that_no_font_has_is_spelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_sheet, "_font_files", list)
    font = _font_for("eine Krähe 鳥", 13)
    assert "<U+9CE5>" in _spelled("eine Krähe 鳥", font) and _missing("a crow", font) == set()
    assert _spelled("a crow", font) == "a crow"


def test_a_font_of_the_machine_is_used_where_it_has_more_letters(tmp_path: Path) -> None:
    usual = ImageFont.load_default(13)
    if not contact_sheet._font_files():
        pytest.skip("this machine has no fonts")
    font = _font_for("ворона Ж", 13)
    assert _missing("ворона Ж", usual) and not _missing("ворона Ж", font)
    assert _spelled("ворона Ж", font) == "ворона Ж"


def test_captions_stand_in_full_beside_the_sheet(tmp_path: Path) -> None:
    write(tmp_path / "birds/pairs.tsv", "filepath\ttitle\n0.png\tein Vogel 鳥\n1.png\tворона\n")
    for number in range(2):
        write(tmp_path / f"birds/{number}.png", encoded(number))
    built = row("table", "birds/pairs.tsv") | {"classes": [], "kind": "captions"}
    pairs = open_pairs(built, "train", tmp_path)
    assert written(pairs, np.arange(2)) == "ein Vogel 鳥\nворона\n"
    finding = Finding(built, {"train": pairs})
    assert sheets([finding], tmp_path / "sheets") == ["birds.png"]
    assert (tmp_path / "sheets/birds.txt").read_text("utf-8") == "ein Vogel 鳥\nворона\n"
