"""The static site of docs/: it builds without a warning, and a broken link ends the build."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from docpages.markdown import DOCS, ROOT


def built(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """The build of `make docs`, of other folders."""
    command = [sys.executable, "-m", "sphinx", "--builder", "html", "--fail-on-warning"]
    command += ["--keep-going", "--quiet", "--doctree-dir", str(target / "trees")]
    command += [str(source), str(target / "site")]
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_the_make_target_is_this_build() -> None:
    text = (ROOT / "Makefile").read_text().partition("\ndocs:")[2].partition("\n\n")[0]
    assert "-m sphinx --builder html --fail-on-warning --keep-going" in text


@pytest.mark.slow
def test_it_builds_and_fetches_nothing(tmp_path: Path) -> None:
    done = built(DOCS, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    site = tmp_path / "site"
    for page in DOCS.rglob("*.md"):
        html = (site / page.relative_to(DOCS)).with_suffix(".html").read_text()
        assert 'src="http' not in html and 'rel="stylesheet" href="http' not in html
        assert "../../" not in html.replace("../../_static", ""), "no link leaves the site"
    assert (site / "_images/weir.svg").exists()
    menu = (site / "index.html").read_text()
    for page in ("glossary", "commands", "questions/choices", "site", "sharing", "recipes"):
        assert f'href="{page}.html"' in menu


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[gone](gone.md)", "cross-reference target not found: 'gone.md'"),
        ("[no heading](site.md#gone)", "local id not found in doc 'site': 'gone'"),
        ("[no file](../gone.py)", "there is no file ../gone.py"),
        ("![no picture](gone.png)", "image file not readable: gone.png"),
    ],
)
def test_a_broken_link_ends_the_build(tmp_path: Path, text: str, message: str) -> None:
    source = tmp_path / "project/docs"
    source.mkdir(parents=True)
    shutil.copy(DOCS / "conf.py", source)
    shutil.copy(ROOT / "pyproject.toml", source.parent)
    (source / "site.md").write_text("# Site\n\nA page.\n")
    (source / "index.md").write_text(f"# Index\n\n{text}\n\n## All\n\n- [Site](site.md)\n")
    done = built(source, tmp_path)
    assert done.returncode != 0
    assert message in done.stderr
