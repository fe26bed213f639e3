"""Hand trials to other trackers of experiments, one way: `python -m queries export TRACKER`.

One file per tracker, named as its package; each has `send(runs, project)`, which adds what the
tracker lacks by the tracker's own library. Where a tracker stores things its own settings say.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import duckdb

from queries import AskError
from queries.trackers.runs import Run, runs
from schema.site import Site
from schema.words import nearest

# What installs the library of each tracker. trackio wants an older Pillow than Weir, so it is no
# extra, and comes without what it declares.
PACKAGES = {
    "mlflow": "'weir[mlflow]'",
    "trackio": "--no-deps trackio, then gradio-client orjson httpx brotli",
    "wandb": "'weir[wandb]'",
}
TRACKERS = tuple(PACKAGES)
PROJECT = "weir"
KEYS = ("project", "study", "trial")


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What an export added: runs that are new, runs that grew, and runs that were complete."""

    new: int = 0
    grown: int = 0
    there: int = 0


class Tracker(Protocol):
    """A module of this folder."""

    def send(self, runs: Sequence[Run], project: str, site: Site) -> Sent:
        """Add what the tracker lacks of the runs to a project of it.

        Sending the same runs twice adds nothing; a run that has gone on since gets its new points.

        Raises:
            TrackerError: the tracker cannot be reached, or refuses something.
        """
        ...


class TrackerError(AskError):
    """A tracker is not installed, cannot be reached, or refuses what it is given."""


def exported(connection: duckdb.DuckDBPyConnection, words: Sequence[str], site: Site) -> str:
    """Send the trials that the words choose to the tracker that the first of them names.

    Returns one line that says what was added.

    Raises:
        AskError: an unknown tracker or key, no such trial, or as `Tracker.send`.
    """
    if not words or words[0] not in TRACKERS:
        named = repr(words[0]) if words else "nothing"
        near = nearest(words[0], TRACKERS) if words else ""
        raise AskError(f"export goes to one of {', '.join(TRACKERS)}, not to {named}.{near}")
    name, chosen = words[0], _chosen(words[1:])
    project = chosen.pop("project", PROJECT)
    sent = _module(name).send(runs(connection, **chosen), project, site)
    return (
        f"{name}, project {project}: {sent.new} runs new, {sent.grown} with more points, "
        f"{sent.there} as they were"
    )


def _chosen(words: Sequence[str]) -> dict[str, str]:
    """Return the `key=value` words of the command."""
    chosen = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in KEYS:
            raise AskError(
                f"cannot read {word!r}; write key=value. Allowed: {', '.join(KEYS)}."
                f"{nearest(key, KEYS)}"
            )
        chosen[key] = value
    return chosen


def _module(name: str) -> Tracker:
    """Return the module of a tracker.

    Raises:
        TrackerError: its package is not installed.
    """
    try:
        module: Tracker = importlib.import_module(f"queries.trackers.to_{name}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != name:
            raise
        raise TrackerError(
            f"{name} is not installed: python -m pip install {PACKAGES[name]}"
        ) from error
    return module
