"""Ask axe-core what of a page is against WCAG 2.1, A and AA."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
# What is within a figure takes most of the time, and `looking.js` measures its contrast.
ASK = """([rules, whole]) => axe.run(
    whole ? document : {exclude: [['[data-testid=stVegaLiteChart] svg']]}, {runOnly: rules})"""


def axe() -> str:
    """The text of axe-core, which the package of the same purpose brings."""
    pytest.importorskip("axe_playwright_python")
    spec = importlib.util.find_spec("axe_playwright_python")
    assert spec is not None and spec.origin is not None
    return (Path(spec.origin).parent / "axe.min.js").read_text()


def violations(window: "Page", *, whole: bool = False) -> list[tuple[str, list[str]]]:
    """The rules that a page breaks, each with elements that do; `whole`: also within figures."""
    if not window.evaluate("'axe' in window"):
        window.evaluate(axe())
    answer = window.evaluate(ASK, [RULES, whole])
    broken = []
    for rule in answer["violations"]:
        broken.append((rule["id"], [node["html"][:120] for node in rule["nodes"][:3]]))
    return broken
