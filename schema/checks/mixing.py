"""The checks of a mixture's `mixing`: who says the shares of each of the equal pieces of a task."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from schema.checks import parts
from schema.checks.parts import PartError

# The sources of a batch, each with its column of `mixture`
COLUMNS = {
    "update": "update_share",
    "buffer": "buffer_share",
    "pretraining": "pretraining_share",
}
# Shares that differ by less are equal
TOLERANCE = 1e-6
# The mixing whose shares are in the row
LISTED = "listed"


def check_mixing(row: Mapping[str, Any]) -> None:
    """Refuse a mixing that is unknown, has an unknown key, or lacks what it is told of.

    Raises:
        PartError: the message says what is wrong and what is allowed.
    """
    where = f"mixture {row['name']!r}, mixing"
    # Definitions older than mixings have neither column
    name, params = row.get("mixing"), row.get("mixing_params") or {}
    if isinstance(params, str):
        params = json.loads(params)
    if name is None:
        if params:
            listed = ", ".join(parts.names("methods/mixing"))
            raise PartError(f"{where}: mixing_params without a mixing. Name one of {listed}.")
        return
    parts.check("methods/mixing", name, params, where)
    for need in parts.needs("methods/mixing", name):
        column = parts.NEEDS[need]
        if column is not None and not row.get(column):
            raise PartError(
                f"{where}: {name} is told the loss of pairs that no step learns from, and "
                f"{column} is 0. Hold out some, such as 0.1, or take another mixing."
            )
    if name == LISTED:
        _check_segments(row, params.get("segments", []), where)


def _check_segments(row: Mapping[str, Any], segments: list[Any], where: str) -> None:
    """Refuse segments that are no shares, or whose means are not the mixture's own shares.

    Costs, and what a method needs of a mixture, follow from those shares. So a source with a share
    must have one in every segment.
    """
    for problem in _problems(row, segments):
        raise PartError(
            f"{where}, segments: {problem}. A segment is a JSON object such as "
            '{"update": 0.5, "buffer": 0.3, "pretraining": 0.2}, and their means are update_share, '
            "buffer_share and pretraining_share."
        )


def _problems(row: Mapping[str, Any], segments: list[Any]) -> Iterator[str]:
    """Yield what is wrong with segments."""
    if len(segments) < 2:
        yield f"{len(segments)} are given, and two or more are needed"
    for place, segment in enumerate(segments, 1):
        if not isinstance(segment, Mapping) or set(segment) != set(COLUMNS):
            yield f"number {place} does not name {', '.join(COLUMNS)}, each once"
            return
        shares = list(segment.values())
        if min(shares) < 0 or abs(sum(shares) - 1) > TOLERANCE:
            yield f"the shares of number {place} must be at least 0 and sum to 1, not {shares}"
    for source, column in COLUMNS.items():
        own = [segment[source] for segment in segments]
        mean = sum(own) / max(len(own), 1)
        if abs(mean - row[column]) > TOLERANCE:
            yield f"their mean {source} is {mean:g}, and {column} is {row[column]:g}"
        if row[column] > 0 and min(own) == 0:
            yield f"{column} is above 0, so {source} must be above 0 in each of them"
