"""Weights & Biases, through its own library: a run per trial, grouped by study.

Where it goes W&B's own settings say (WANDB_MODE=offline and WANDB_DIR: files, for `wandb sync`;
WANDB_BASE_URL and WANDB_API_KEY: a server). A run goes on under its id, which is the same in every
export; steps that a server has it does not take again.
"""

from collections.abc import Sequence

import wandb

from queries.trackers import Sent, TrackerError
from queries.trackers.runs import Run
from queries.trackers.sent import Ledger, send_new
from schema.site import Site


def send(runs: Sequence[Run], project: str, site: Site) -> Sent:
    """Send the points that were not sent before; see `queries.trackers.Tracker`."""
    return send_new(runs, project, Ledger.of(site, "wandb"), _send)


def _send(run: Run, project: str, before: int) -> None:
    """Send the points of a run behind the first `before`.

    Raises:
        TrackerError: W&B refuses them.
    """
    try:
        with wandb.init(
            project=project,
            id=run.key,
            name=run.name,
            group=run.study or None,
            config=run.parameters,
            resume="allow",
            settings=wandb.Settings(
                silent=True, console="off", disable_code=True, x_disable_stats=True
            ),
        ) as sending:
            for point in run.points[before:]:
                sending.log(point.values, step=point.step)
            sending.summary["state"] = run.state
    except (wandb.Error, OSError) as error:
        raise TrackerError(f"W&B cannot take run {run.name}: {error}") from error
