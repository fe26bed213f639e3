"""trackio, through its own library: a run per trial, grouped by study, in its local store.

Where that is trackio's own settings say (TRACKIO_DIR). A run goes on under its name.
"""

from collections.abc import Sequence

import trackio

from queries.trackers import Sent, TrackerError
from queries.trackers.runs import Run
from queries.trackers.sent import Ledger, send_new
from schema.site import Site


def send(runs: Sequence[Run], project: str, site: Site) -> Sent:
    """Send the points that were not sent before; see `queries.trackers.Tracker`."""
    return send_new(runs, project, Ledger.of(site, "trackio"), _send)


def _send(run: Run, project: str, before: int) -> None:
    """Send the points of a run behind the first `before`.

    Raises:
        TrackerError: trackio refuses them.
    """
    try:
        trackio.init(
            project=project,
            name=f"{run.name}-{run.catalog}",
            group=run.study or None,
            config=run.parameters,
            resume="allow",
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        for point in run.points[before:]:
            trackio.log(point.values, step=point.step)
        trackio.finish()
    except (OSError, RuntimeError, ValueError) as error:
        raise TrackerError(f"trackio cannot take run {run.name}: {error}") from error
