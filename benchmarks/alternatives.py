"""Do what a user would pick instead for the same work.

    python -m benchmarks.alternatives TOOL ACTION ...      (in a folder)

    optuna, pyexperimenter   a store in SQLite, by their public functions and as their documentation shows them
        create                  an empty store
        insert COUNT            the first COUNT of `sentences`
        again COUNT             the same again, none of which must be added
        pending                 those that wait to be run: how many, and the first twenty
        fill COUNT RUNNING      (not timed) of the trials in it COUNT are finished and RUNNING are running
        status                  how many trials are in each state, and which run
        begin COUNT             (not timed) COUNT trials that have begun, or may
        results COUNT RUNS      they end with the rows of the first COUNT run folders in RUNS, read from their Parquet files
    submitit                 jobs of a Slurm cluster, and nothing else
        submit COUNT ARRAY [PARTITION]      COUNT calls of a function with a trial, in arrays of at most ARRAY
        status                  the state of each of those jobs, in a new process
        finish ROWS             (not timed) each job's result is there: ROWS rows
        collect                 all results, in a new process, into one Parquet file

Each process imports only what its work needs: the imports are part of its time.
"""

import itertools
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.sentences import METHODS, MIXTURES, RECIPES, WORDS, sentences

SHOWN = 20
METRICS = (
    "task",
    "step",
    "dataset",
    "metric",
    "label_space",
    "weights",
    "value",
    "examples",
    "fraction",
)


def result_rows(runs: str, count: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of `result` of each run folder."""
    import polars as pl

    for folder in itertools.islice(sorted(Path(runs).glob("[0-9]*/01")), count):
        frames = [pl.read_parquet(path) for path in sorted(folder.glob("task-*.result.parquet"))]
        yield pl.concat(frames).to_dicts()


def value(sentence: dict[str, Any]) -> float:
    """Return the number of a trial that a leaderboard sorts by."""
    return (
        float(
            (
                METHODS.index(sentence["method"]) * 7
                + MIXTURES.index(sentence["mixture"]) * 3
                + sentence["seed"]
            )
            % 100
        )
        / 100
    )


class Optuna:
    """A study, whose trials are enqueued; results are one attribute of a trial."""

    def __init__(self) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.optuna, self.storage = optuna, "sqlite:///optuna.db"
        choices = {"mixture": MIXTURES, "method": METHODS, "recipe": RECIPES}
        self.space: dict[str, Any] = {
            word: optuna.distributions.CategoricalDistribution(of) for word, of in choices.items()
        }
        self.space |= {
            word: optuna.distributions.CategoricalDistribution((first[word],))
            for first in sentences(1)
            for word in ("backbone", "stream", "budget")
        }
        self.space["seed"] = optuna.distributions.IntDistribution(0, 1_000_000)

    @property
    def study(self) -> Any:
        return self.optuna.load_study(study_name="benchmark", storage=self.storage)

    def create(self) -> None:
        self.optuna.create_study(study_name="benchmark", storage=self.storage)

    def insert(self, count: int) -> None:
        study = self.study
        for sentence in sentences(count):
            study.enqueue_trial(sentence)

    def again(self, count: int) -> None:
        study = self.study
        for sentence in sentences(count):
            study.enqueue_trial(sentence, skip_if_exists=True)

    def pending(self) -> None:
        waiting = self.study.get_trials(
            deepcopy=False, states=(self.optuna.trial.TrialState.WAITING,)
        )
        for trial in waiting[:SHOWN]:
            print(trial.number, trial.system_attrs["fixed_params"])
        print(len(waiting))

    def fill(self, count: int, running: int) -> None:
        self.create()
        study = self.study
        made = self.optuna.trial.create_trial
        study.add_trials(
            [
                made(value=0.5, params=sentence, distributions=self.space)
                for sentence in sentences(count)
            ]
        )
        for _ in range(running):
            study.ask(self.space)

    def status(self) -> None:
        trials = self.study.get_trials(deepcopy=False)
        print(Counter(trial.state.name for trial in trials))
        print(
            [
                trial.number
                for trial in trials
                if trial.state == self.optuna.trial.TrialState.RUNNING
            ][:SHOWN]
        )

    def measured(self, count: int) -> None:
        self.create()
        made, study = self.optuna.trial.create_trial, self.study
        study.add_trials(
            [made(value=value(s), params=s, distributions=self.space) for s in sentences(count)]
        )

    def leaderboard(self) -> None:
        words = [f"params_{word}" for word in WORDS if word != "seed"]
        means = (
            self.study.trials_dataframe(attrs=("value", "params")).groupby(words)["value"].mean()
        )
        print(means.sort_values(ascending=False).head(SHOWN))

    def begin(self, count: int) -> None:
        self.fill(0, count)

    def results(self, count: int, runs: str) -> None:
        study = self.study
        begun = study.get_trials(deepcopy=False, states=(self.optuna.trial.TrialState.RUNNING,))
        for found, rows in zip(begun, result_rows(runs, count), strict=True):
            trial = self.optuna.trial.Trial(
                study, found._trial_id
            )  # as `ask` made it, in another process
            trial.set_user_attr("results", rows)
            study.tell(trial, 0.5)


class MLflow:
    """An experiment in a SQLite store; a trial is a run with its words as parameters and one metric."""

    def __init__(self) -> None:
        import mlflow

        mlflow.set_tracking_uri("sqlite:///mlflow.db")
        self.mlflow, self.client = mlflow, mlflow.MlflowClient()
        self.experiment = mlflow.set_experiment("benchmark").experiment_id

    def measured(self, count: int) -> None:
        from mlflow.entities import Metric, Param

        for sentence in sentences(count):
            run = self.client.create_run(self.experiment).info.run_id
            words = [Param(word, str(said)) for word, said in sentence.items()]
            self.client.log_batch(
                run, metrics=[Metric("value", value(sentence), 0, 0)], params=words
            )

    def leaderboard(self) -> None:
        runs = self.mlflow.search_runs([self.experiment], max_results=1_000_000)
        words = [f"params.{word}" for word in WORDS if word != "seed"]
        print(runs.groupby(words)["metrics.value"].mean().sort_values(ascending=False).head(SHOWN))


class PyExperimenter:
    """A table of experiments, whose key fields are the words of a trial; results are rows of a log table."""

    TYPES = dict.fromkeys(METRICS, "VARCHAR(255)") | dict.fromkeys(
        ("task", "step", "examples"), "INTEGER"
    )
    TYPES |= dict.fromkeys(("value", "fraction"), "DOUBLE")

    def __init__(self) -> None:
        from py_experimenter.experimenter import PyExperimenter as Experimenter

        lines = [
            "PY_EXPERIMENTER:",
            "  n_jobs: 1",
            "  Database:",
            "    provider: sqlite",
            "    database: experiments",
        ]
        lines += ["    table:", "      name: trials", "      keyfields:"]
        lines += [
            f"        {word}: {{type: {'INTEGER' if word == 'seed' else 'VARCHAR(255)'}}}"
            for word in WORDS
        ]
        lines += [
            "    logtables:",
            "      results:",
            *(f"        {name}: {type_}" for name, type_ in self.TYPES.items()),
        ]
        Path("experiments.yml").write_text("\n".join(lines) + "\n")
        self.experimenter = Experimenter(
            "experiments.yml", use_codecarbon=False, log_level="ERROR", log_file="logs/log"
        )

    def create(self) -> None:
        self.experimenter.create_table()

    def insert(self, count: int) -> None:
        with sqlite3.connect(
            ":memory:"
        ) as connection:  # one call is one statement, with a variable per value
            most = connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // (len(WORDS) + 2)
        rows = sentences(count)
        while piece := list(itertools.islice(rows, most)):
            self.experimenter.fill_table_with_rows(piece)

    again = insert

    def pending(self) -> None:
        table = self.experimenter.get_table()
        waiting = table[table["status"] == "created"]
        print(waiting[["ID", *WORDS]].head(SHOWN).to_string())
        print(len(waiting))

    def fill(self, count: int, running: int) -> None:
        self.create()
        self.insert(count + running)
        with sqlite3.connect("experiments.db") as connection:
            connection.execute(
                "UPDATE trials SET status = CASE WHEN ID <= ? THEN 'done' ELSE 'running' END",
                [count],
            )

    def status(self) -> None:
        table = self.experimenter.get_table()
        print(table["status"].value_counts().to_dict())
        print(table[table["status"] == "running"]["ID"].head(SHOWN).tolist())

    def begin(self, count: int) -> None:
        self.create()
        self.insert(count)

    def results(self, count: int, runs: str) -> None:
        rows = result_rows(runs, count)

        def experiment(_: dict[str, Any], processor: Any, __: dict[str, Any]) -> None:
            for row in next(rows):
                processor.process_logs({"results": row})

        self.experimenter.execute(experiment, max_experiments=count)


def experiment(sentence: dict[str, Any]) -> dict[str, Any]:
    """Stand for a user's function; it is never called here."""
    return sentence


class Submitit:
    """Jobs of submitit on Slurm; only their ids are stored, in a file."""

    def __init__(self) -> None:
        import submitit

        self.submitit, self.folder, self.ids = submitit, Path("jobs").absolute(), Path("ids")

    def submit(self, count: int, array: int, partition: str | None = None) -> None:
        executor = self.submitit.AutoExecutor(folder=self.folder, cluster="slurm")
        executor.update_parameters(timeout_min=60, name="benchmark", slurm_partition=partition)
        trials, ids = sentences(count), []
        while piece := list(itertools.islice(trials, array)):
            ids += [job.job_id for job in executor.map_array(experiment, piece)]
        self.ids.write_text("\n".join(ids))

    def status(self) -> None:
        print(Counter(job.state for job in self._jobs()))

    def finish(self, rows: int) -> None:
        from submitit.core.utils import cloudpickle_dump

        row = dict(
            zip(METRICS, (1, 50, "shape", "top1", "all", "deployed", 0.5, 200, 1.0), strict=True)
        )
        for job in self._jobs():
            cloudpickle_dump(("success", [dict(row) for _ in range(rows)]), job.paths.result_pickle)

    def collect(self) -> None:
        import polars as pl

        results = [job.result() for job in self._jobs()]
        rows = [{"trial": trial} | row for trial, result in enumerate(results) for row in result]
        pl.DataFrame(rows).write_parquet("results.parquet")

    def _jobs(self) -> list[Any]:
        return [
            self.submitit.SlurmJob(self.folder, job_id) for job_id in self.ids.read_text().split()
        ]


TOOLS = {"optuna": Optuna, "mlflow": MLflow, "pyexperimenter": PyExperimenter, "submitit": Submitit}

if __name__ == "__main__":
    tool, action, *numbers = sys.argv[1:]
    getattr(TOOLS[tool](), action)(*(int(word) if word.isdigit() else word for word in numbers))
