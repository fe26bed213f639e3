"""MLflow, through its own client: an experiment per project, a run per trial.

Where it stores them MLflow's own settings say (MLFLOW_TRACKING_URI: a server, a file of SQLite). A
run is found again by its tag `weir.key`. The tag `weir.points` says how many of its points are
there; of those behind it, which a killed export may have sent, the store itself is asked.
"""

import re
import time
from collections.abc import Iterator, Sequence

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException

from queries.trackers import Sent, TrackerError
from queries.trackers.runs import Run
from schema.site import Site

KEY, POINTS = "weir.key", "weir.points"
# What MLflow takes in one call
METRICS_AT_ONCE, RUNS_AT_ONCE = 1000, 1000
# What a name of a metric may not have
OTHER = re.compile(r"[^\w\-. :/]")
# What MLflow calls how a trial ended
ENDS = {"done": "FINISHED", "failed": "FAILED", "refused": "FAILED", "cancelled": "KILLED"}


def send(runs: Sequence[Run], project: str, site: Site) -> Sent:
    """Add what the experiment lacks of the runs; see `queries.trackers.Tracker`."""
    try:
        client = MlflowClient()
        experiment = _experiment(client, project)
        known = _known(client, experiment)
        new = grown = 0
        for run in runs:
            there = known.get(run.key)
            if there is None:
                new += 1
                there = _begun(client, experiment, run)
            elif int(there.data.tags.get(POINTS, "0")) < len(run.points):
                grown += 1
            _send(client, there, run)
    except (MlflowException, OSError) as error:
        raise TrackerError(f"MLflow cannot take the runs: {error}") from error
    return Sent(new=new, grown=grown, there=len(runs) - new - grown)


def _experiment(client: MlflowClient, project: str) -> str:
    """Return the id of the experiment, which is made where there is none."""
    there = client.get_experiment_by_name(project)
    if there is not None:
        return str(there.experiment_id)
    return str(client.create_experiment(project))


def _known(client: MlflowClient, experiment: str) -> dict[str, MlflowRun]:
    """Return the runs of an experiment that came from a catalog, by their key."""
    known, token = {}, None
    while True:
        page = client.search_runs([experiment], max_results=RUNS_AT_ONCE, page_token=token)
        for run in page:
            if KEY in run.data.tags:
                known[run.data.tags[KEY]] = run
        token = page.token
        if not token:
            return known


def _begun(client: MlflowClient, experiment: str, run: Run) -> MlflowRun:
    """Make a run with its parameters; its key is a tag from the beginning."""
    tags = {KEY: run.key, POINTS: "0", "weir.trial": str(run.trial), "weir.study": run.study}
    made = client.create_run(experiment, tags=tags, run_name=run.name)
    params = [Param(name, value) for name, value in run.parameters.items()]
    client.log_batch(made.info.run_id, params=params)
    return made


def _send(client: MlflowClient, there: MlflowRun, run: Run) -> None:
    """Send the points that a run of MLflow lacks, and how the trial stands."""
    number = there.info.run_id
    sent = int(there.data.tags.get(POINTS, "0"))
    points = run.points[sent:]
    if points:
        # After a whole export there is nothing behind the tag, and the store is not asked
        logged = set(_logged(client, there)) if there.data.metrics else set[tuple[str, int]]()
        now_ms = int(time.time() * 1000)
        metrics = []
        for point in points:
            for name, value in point.values.items():
                key = OTHER.sub("_", name)
                if (key, point.step) not in logged:
                    metrics.append(Metric(key, value, now_ms, point.step))
        for start in range(0, len(metrics), METRICS_AT_ONCE):
            client.log_batch(number, metrics=metrics[start : start + METRICS_AT_ONCE])
        # The last: a run that is killed before is completed by the next export
        client.log_batch(number, tags=[RunTag(POINTS, str(len(run.points)))])
    status = ENDS.get(run.state, "RUNNING")
    if there.info.status != status:
        if status == "RUNNING":
            client.update_run(number, status=status)
        else:
            client.set_terminated(number, status=status)


def _logged(client: MlflowClient, there: MlflowRun) -> Iterator[tuple[str, int]]:
    """Yield every metric and step that a run has."""
    for name in there.data.metrics:
        for metric in client.get_metric_history(there.info.run_id, name):
            yield name, metric.step
