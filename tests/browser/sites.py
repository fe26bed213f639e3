"""Sites whose snapshots are results that were really run: the demo, and the grid of methods."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from docpages.kept import Example
from schema.site import Site


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A site whose app is served."""

    name: str
    url: str
    site: Site
    # The methods of the setting that is shown first
    methods: tuple[str, ...]


def published(folder: Path, example: Example) -> Site:
    """A site in `folder` that publishes the kept results of an example."""
    site = Site.load(folder)
    site.snapshot.mkdir(parents=True, exist_ok=True)
    path = site.snapshot / "catalog-000001.duckdb"
    with contextlib.closing(example.catalog()) as connection:
        connection.execute(f"ATTACH '{path}' AS made")
        connection.execute("COPY FROM DATABASE memory TO made")
        connection.execute("DETACH made")
    site.current.symlink_to(path.name)
    return site
