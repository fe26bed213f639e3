"""Open a page of the app under its address, without a browser."""

from pathlib import Path

from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

APP = str(Path(__file__).parents[2] / "app.py")
TEXTS = ("markdown", "caption", "info", "warning", "error")


def opened(page: str = "", **address: str) -> AppTest:
    """The page, run once, with what its address says chosen."""
    at = AppTest.from_file(APP, default_timeout=120)
    at._page_hash = calc_hash(page)
    for key, value in address.items():
        at.query_params[key] = value
    at.run()
    assert not at.exception, at.exception
    return at


def texts(at: AppTest) -> str:
    """All sentences of a page."""
    lines = []
    for kind in TEXTS:
        lines += [str(element.value) for element in at.get(kind)]
    return "\n".join(lines)
