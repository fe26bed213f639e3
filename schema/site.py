"""Where things are on this machine: `site.toml`, or `./lab/` and the local backend when there is none.

What can change a number is in a row of the catalog; what cannot is here. Paths in the file are relative to the file.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from schema.words import nearest

Option = str | int | float | bool
OURS = {  # sbatch options that sync sets itself, and where a person says them instead
    "job-name": "nowhere: it is how sync finds its jobs again",
    "array": "nowhere",
    "requeue": "nowhere: every end of a job is final, and a new attempt follows",
    "no-requeue": "nowhere: it is always set",
    "output": "nowhere: logs are in the run folders",
    "error": "nowhere: logs are in the run folders",
    "chdir": "nowhere: a job runs in its code snapshot",
    "signal": "signal_s",
    "time": "time_limit_minutes",
    "mem": "memory_gb",
    "cpus-per-task": "cpus_per_trial",
    "gpus-per-node": "gpus_per_trial",
    "nodes": "ranks_per_node, and ranks in a recipe",
    "ntasks-per-node": "ranks_per_node, and ranks in a recipe",
}


class SiteError(ValueError):
    """site.toml says something that Weir does not understand."""


@dataclass(frozen=True)
class Needs:
    """What one job asks of a machine; attempts with equal needs share a batch. Every field but `ranks` is a key of site.toml,
    and of `[backbone.NAME]` in it."""

    time_limit_minutes: float = 0.0  # 0: no limit (a cluster wants one)
    signal_s: float = (
        120.0  # how long before the limit a trial is told to write its checkpoint and end
    )
    memory_gb: float = 0.0  # 0: what the partition gives
    # What a trial that ran out of memory may be given at last; 0: it is not tried again by itself
    memory_gb_most: float = 0.0
    gpu_memory_gb: float = (
        0.0  # of one GPU, for the forecast, which says what will not fit; 0: it does not
    )
    gpus_per_trial: int = 1  # of a job; the trials that run side by side in it share them
    node_gpus: int = 0  # of the largest node there is; 0: not said
    ranks_per_node: int = 0  # processes of one trial on a node, at most; 0: node_gpus, where a trial has GPUs, or all of them
    cpus_per_trial: int = 0  # 0: threads_per_trial and workers_per_trial together
    trials_per_job: int = 1  # so that small trials do not queue and start one by one
    trials_side_by_side: int = 1  # of those; the others wait in the job
    slurm: tuple[tuple[str, Option], ...] = ()  # [slurm]: any option of sbatch
    setup: tuple[str, ...] = ()  # [slurm] setup: shell lines before the trial
    ranks: int = 1  # processes of the job's one trial that are started on several nodes; 1: a trial starts its own on one

    @property
    def most_ranks(self) -> int:
        """How many processes of one trial a node takes; 0: any number."""
        return self.ranks_per_node or (self.node_gpus if self.gpus_per_trial else 0)

    @property
    def nodes(self) -> int:
        """Of a job: as few as take its processes, the same number each."""
        fewest = -(-self.ranks // (self.most_ranks or self.ranks))
        return next(nodes for nodes in range(fewest, self.ranks + 1) if self.ranks % nodes == 0)

    @property
    def tasks_per_node(self) -> int:
        """The processes that are started on each of a job's nodes."""
        return self.ranks // self.nodes

    @property
    def gpus_per_node(self) -> int:
        """One for each process of a trial on several nodes; else what a job has."""
        return (
            self.tasks_per_node if self.gpus_per_trial and self.ranks > 1 else self.gpus_per_trial
        )

    def spread(self, ranks: int) -> "Needs":
        """Those of a trial with so many processes: itself where one node takes them all, else a job of its own on several."""
        fits = not 0 < self.most_ranks < ranks
        return self if fits else replace(self, ranks=ranks, trials_per_job=1, trials_side_by_side=1)

    @property
    def raises(self) -> int:
        """How often a trial that ran out of memory gets half as much again."""
        count = 0
        while self.memory_gb and self.raised(count).memory_gb < self.memory_gb_most:
            count += 1
        return count

    def raised(self, times: int) -> "Needs":
        """Return the needs of a trial that ran out of memory so many times."""
        if not self.memory_gb or self.memory_gb_most <= self.memory_gb:
            return self
        return replace(self, memory_gb=min(self.memory_gb * 1.5**times, self.memory_gb_most))

    @property
    def early_s(self) -> float:
        """How long before the limit a trial is told: `signal_s`, or half of a short limit."""
        return min(self.signal_s, 30 * self.time_limit_minutes)


@dataclass(frozen=True)
class Site:
    """Paths, backend and limits; every field is a key of site.toml, with its default."""

    catalog: Path = Path("lab/catalog.duckdb")
    runs: Path = Path("lab/runs")
    data: Path = Path("lab/data")
    store: Path = Path(
        "lab/store"
    )  # work that trials have in common, done once; may be deleted at any time
    snapshot: Path = Path("lab/snapshot")
    code: Path = Path("lab/code")  # snapshots of the code that attempts run
    declared: Path = Path("lab/declared")  # what people declared, outside the catalog
    backend: str = "local"
    trials_at_once: int = (
        0  # local: jobs at once; 0: one per GPU, or one per core where there is no GPU
    )
    max_in_flight: int = 500  # slurm: trials queued and running; topped up by priority
    threads_per_trial: int = (
        1  # part of a run's numbers to the last bit: keep it fixed within a study
    )
    workers_per_trial: int = (
        0  # processes that decode batches ahead of the step; 0: the trial does it in between
    )
    checkpoint_minutes: float = 10.0
    lock_wait_s: float = 30.0
    patience_s: float = (
        60.0  # how long a silent cluster or a late file is waited for before an attempt is given up
    )
    needs: Needs = Needs()
    by_backbone: Mapping[str, Needs] = field(default_factory=dict)
    retries: Mapping[str, int] = field(
        default_factory=dict
    )  # [retries]: the catalog's `policy`, where it differs
    # [notify]: a `url` that is sent JSON by POST, or a shell `command` that gets it as input
    notify: Mapping[str, str] = field(default_factory=dict)
    folder: Path = field(
        default=Path()
    )  # that the relative paths start from; not a key of the file

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
        tables = {name: said.pop(name, {}) for name in ("slurm", "backbone", "retries", "notify")}
        for name, table in tables.items():
            if not isinstance(table, dict):
                raise SiteError(f"{path}: {name} must be a table, written [{name}], not {table!r}")
        mine = {
            f.name: f.default
            for f in fields(cls)
            if f.name not in ("needs", "by_backbone", "retries", "notify", "folder")
        }
        jobs = {
            f.name: f.default for f in fields(Needs) if f.name not in ("slurm", "setup", "ranks")
        }
        _known(path, said, [*mine, *jobs, *tables])
        values = {
            key: _converted(path, key, value, type({**mine, **jobs}[key]))
            for key, value in said.items()
        }
        needs = _needs(
            path,
            Needs(),
            {k: v for k, v in values.items() if k in jobs} | {"slurm": tables["slurm"]},
            jobs,
        )
        by_backbone = {}
        for name, table in tables["backbone"].items():
            if not isinstance(table, dict):
                raise SiteError(
                    f"{path}: backbone.{name} must be a table, written [backbone.{name}], not {table!r}"
                )
            _known(path, table, [*jobs, "slurm"], f"backbone.{name}.")
            by_backbone[name] = _needs(path, needs, table, jobs)
        for key, value in tables["retries"].items():
            _converted(path, f"retries.{key}", value, int)
        _known(path, tables["notify"], ["url", "command"], "notify.")
        for key, value in tables["notify"].items():
            _converted(path, f"notify.{key}", value, str)
        site = cls(
            **{key: value for key, value in values.items() if key in mine},
            needs=needs,
            by_backbone=by_backbone,
        )
        absolute = {
            name: folder / getattr(site, name)
            for name, default in mine.items()
            if isinstance(default, Path)
        }
        told = {"retries": tables["retries"], "notify": tables["notify"]}
        return replace(site, **absolute, **told, folder=folder)

    def needs_of(self, backbone: str) -> Needs:
        """What a job of trials of a backbone asks for."""
        return self.by_backbone.get(backbone, self.needs)

    @property
    def current(self) -> Path:
        """The snapshot that the app and notebooks read."""
        return self.snapshot / "current.duckdb"


def _needs(path: Path, start: Needs, said: Mapping[str, Any], jobs: Mapping[str, Any]) -> Needs:
    """`start` with what a table says differently."""
    numbers = {
        key: _converted(path, key, value, type(jobs[key]))
        for key, value in said.items()
        if key in jobs
    }
    options, setup = dict(start.slurm), start.setup
    for key, value in said.get("slurm", {}).items():
        option = key.replace("_", "-")
        if option == "setup":
            if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
                raise SiteError(f"{path}: slurm.setup must be a list of shell lines, not {value!r}")
            setup = tuple(value)
        elif option in OURS:
            raise SiteError(
                f"{path}: slurm.{key} cannot be set here; where to say it: {OURS[option]}"
            )
        elif not isinstance(value, str | int | float | bool):
            raise SiteError(
                f"{path}: slurm.{key} must be a text, number or true, as sbatch's --{option} takes it, not {value!r}"
            )
        else:
            options[option] = value
    needs = replace(start, **numbers, slurm=tuple(sorted(options.items())), setup=setup)
    for key in ("trials_per_job", "trials_side_by_side"):
        if getattr(needs, key) < 1:
            raise SiteError(
                f"{path}: {key} must be a whole number, 1 or more, not {getattr(needs, key)}"
            )
    return needs


def _known(path: Path, said: Iterable[str], known: list[str], prefix: str = "") -> None:
    for key in said:
        if key not in known:
            raise SiteError(
                f"{path}: unknown key {prefix + key!r}. Known keys: {', '.join(known)}.{nearest(key, known)}"
            )


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
