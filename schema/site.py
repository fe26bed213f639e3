"""Where things are on this machine: `site.toml`, or `./lab/` and the local backend when there is none.

What can change a number is in a row of the catalog; what cannot is here. Paths in the file are relative to the file.
"""

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from schema.words import nearest


class SiteError(ValueError):
    """site.toml says something that Weir does not understand."""


@dataclass(frozen=True)
class Site:
    """Paths, backend and limits; every field is a key of site.toml, with its default."""

    catalog: Path = Path("lab/catalog.duckdb")
    runs: Path = Path("lab/runs")
    data: Path = Path("lab/data")
    snapshot: Path = Path("lab/snapshot")
    backend: str = "local"
    trials_at_once: int = 0  # 0: one per GPU, or one per core where there is no GPU
    threads_per_trial: int = 1  # part of a run's numbers to the last bit: keep it fixed within a study
    checkpoint_minutes: float = 10.0
    lock_wait_s: float = 30.0
    folder: Path = field(default=Path())  # that the relative paths start from; not a key of the file

    @classmethod
    def load(cls, folder: Path | None = None) -> "Site":
        """Read `site.toml` of `folder` (default: the working folder).

        Raises:
            SiteError: not TOML, an unknown key, or a value of the wrong type.
        """
        folder = (folder or Path.cwd()).absolute()
        path = folder / "site.toml"
        try:
            said = tomllib.loads(path.read_text()) if path.exists() else {}
        except tomllib.TOMLDecodeError as error:
            raise SiteError(f"{path} is not valid TOML: {error}") from error
        known = {f.name: f for f in fields(cls) if f.name != "folder"}
        values: dict[str, Any] = {"folder": folder}
        for key, value in said.items():
            if key not in known:
                raise SiteError(f"{path}: unknown key {key!r}. Known keys: {', '.join(known)}.{nearest(key, known)}")
            values[key] = _converted(path, key, value, type(known[key].default))
        site = cls(**values)
        absolute = {f: folder / getattr(site, f) for f in ("catalog", "runs", "data", "snapshot")}
        return cls(**{**values, **absolute})

    @property
    def current(self) -> Path:
        """The snapshot that the app and notebooks read."""
        return self.snapshot / "current.duckdb"


def _converted(path: Path, key: str, value: Any, wanted: type) -> Any:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise SiteError(f"{path}: {key} must be a {_word(wanted)}, not {value!r}")
    if issubclass(wanted, Path) and isinstance(value, str):
        return Path(value)
    if wanted is float and isinstance(value, int | float):
        value = float(value)
    if type(value) is not wanted or (isinstance(value, int | float) and value < 0):
        raise SiteError(f"{path}: {key} must be a {_word(wanted)}, not {value!r}")
    return value


def _word(wanted: type) -> str:
    if issubclass(wanted, Path):
        return "path (text)"
    return {int: "whole number, 0 or more", float: "number, 0 or more", str: "text"}[wanted]
