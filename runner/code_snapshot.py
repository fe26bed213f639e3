"""The code that an attempt runs: a copy made when it is submitted.

Editing the tree therefore changes nothing that is queued.

A snapshot is named by its content, so attempts of the same code share one. What git knows about it
is written beside it: the commit, and the changes to it as a patch. A worker whose code or packages
are others ends as `code_drift`, before it trains.
"""

import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from schema.files import fsync

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("schema", "streams", "methods", "evals", "runner")
DISTRIBUTIONS = ("torch", "open_clip_torch", "numpy", "safetensors", "polars")
GIT_S = 20


class CodeDriftError(RuntimeError):
    """The code or the packages at hand are not those the attempt was submitted with."""


def identity(root: Path) -> str:
    """Return 16 hex digits of sha256 over paths and contents of the packages below `root`."""
    digest = hashlib.sha256()
    for path in _files(root):
        digest.update(f"{path.relative_to(root)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _files(root: Path) -> list[Path]:
    paths = []
    for package in PACKAGES:
        for path in (root / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                paths.append(path)
    return sorted(paths)


@functools.cache
def versions() -> dict[str, str]:
    """Return Python's version and those of the packages that numbers depend on."""
    return {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in DISTRIBUTIONS
    }


def snapshot(folder: Path) -> Path:
    """Copy the code of this process into `folder`, once per content; return the copy's folder.

    The folder's name is the id of the code. A copy that somebody touched is put aside, so that what
    is submitted from now on can run.
    """
    there = folder / identity(ROOT)
    if there.exists() and identity(there) == there.name:
        return there
    folder.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=folder, prefix=".aside-"))
    if there.exists():
        there.rename(folder / f"{there.name}.touched{aside.name}")
    try:
        name = _copy(aside)
        # Another sync may have been quicker, with the same content
        if not (folder / name).exists():
            aside.rename(folder / name)
        fsync(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder / name


def _copy(aside: Path) -> str:
    """Copy the packages, and what git knows about them, into `aside`; return their id."""
    for path in _files(ROOT):
        copy = aside / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        copy.chmod(0o444)
    # The id is that of the copy, since somebody may have saved a file just now
    name = identity(aside)
    (aside / "code.json").write_text(json.dumps({"id": name} | _git(aside), indent=1))
    aside.chmod(0o755)
    fsync(aside / "code.json")
    return name


def commit() -> str | None:
    """Return the commit of the code that runs; None when git does not know.

    It ends in `-dirty` when the tree had changes.
    """
    about_file = ROOT / "code.json"
    # A snapshot is no checkout: what git knew is written beside it
    about = json.loads(about_file.read_text()) if about_file.exists() else _git(None)
    name: str | None = about["commit"]
    return f"{name}-dirty" if about["dirty"] else name


def check(code: str, code_folder: str, versions_then: dict[str, str]) -> None:
    """Compare the code and packages of this process with those an attempt was submitted with.

    An empty `code` and empty versions allow everything.

    Raises:
        CodeDriftError: they are others.
    """
    if code and (mine := identity(ROOT)) != code:
        raise CodeDriftError(
            f"this attempt was submitted with code {code}, but {ROOT} is {mine}. Run it from "
            f"{code_folder}, or request a retry, which takes the code as it is now"
        )
    others = []
    for name, version in versions_then.items():
        if versions().get(name) != version:
            others.append(f"{name} is {versions().get(name)}, not {version}")
    if others:
        raise CodeDriftError(
            f"other packages than at submission: {'; '.join(others)}. Install those, or request a "
            "retry with these"
        )


def _git(folder: Path | None) -> dict[str, Any]:
    """Return the commit and whether the packages differ from it.

    The difference goes to `folder`/changes.patch; None: nowhere.
    """
    try:
        about = _asked("rev-parse", "HEAD").strip()
        with tempfile.TemporaryDirectory() as place:
            # An index of our own, so that the person's stays as it is
            index = {"GIT_INDEX_FILE": f"{place}/index"}
            _asked("read-tree", "HEAD", **index)
            _asked("add", "--all", "--", *PACKAGES, **index)
            patch = _asked("diff", "--cached", "--binary", "HEAD", "--", *PACKAGES, **index)
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": False, "patch": None}
    written = None
    if patch and folder is not None:
        written = "changes.patch"
        (folder / written).write_text(patch)
    return {"commit": about, "dirty": bool(patch), "patch": written}


def _asked(*words: str, **environment: str) -> str:
    ended = subprocess.run(
        ["git", "-C", str(ROOT), *words],
        capture_output=True,
        text=True,
        timeout=GIT_S,
        check=True,
        env=os.environ | environment,
    )
    return ended.stdout
