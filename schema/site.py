"""Where things are on this machine: `site.toml`, or `./lab/` and the local backend when there is
none.

What can change a number is in a row of the catalog; what cannot is here. Paths in the file are
relative to the file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from schema import site_file
from schema.site_file import Option, SiteError

__all__ = ["Needs", "Option", "Site", "SiteError"]


@dataclass(frozen=True)
class Needs:
    """The needs of one job of a machine; attempts with equal needs share a submission.

    Every field but `ranks` is a key of site.toml, and of `[backbone.NAME]` in it.
    """

    # 0: no limit (a cluster wants one)
    time_limit_minutes: float = 0.0
    # How long before the limit a trial is told to write its checkpoint and end
    signal_s: float = 120.0
    # 0: what the partition gives
    memory_gb: float = 0.0
    # The most that a trial that ran out of memory is given at last; 0: it is not tried again by
    # itself
    memory_gb_most: float = 0.0
    # Of one GPU, by which the forecast says what will not fit; 0: the forecast does not say
    gpu_memory_gb: float = 0.0
    # Of a job; the trials that run side by side in it share them
    gpus_per_trial: int = 1
    # Of the node with the most GPUs; 0: not known
    node_gpus: int = 0
    # The most processes of one trial on a node; 0: node_gpus where a trial has GPUs, or any number
    ranks_per_node: int = 0
    # 0: threads_per_trial and workers_per_trial together
    cpus_per_trial: int = 0
    # Several trials share a job so that small ones do not queue and start one by one
    trials_per_job: int = 1
    # Of those, how many run at once; the others wait in the job
    trials_side_by_side: int = 1
    # The table [slurm]: any option of sbatch
    slurm: tuple[tuple[str, Option], ...] = ()
    # The key `setup` of [slurm]: shell lines before the trial
    setup: tuple[str, ...] = ()
    # Processes of the job's one trial, started on several nodes; 1: a trial starts its own on one
    ranks: int = 1

    @property
    def most_ranks(self) -> int:
        """How many processes of one trial a node takes; 0: any number."""
        if self.ranks_per_node:
            return self.ranks_per_node
        return self.node_gpus if self.gpus_per_trial else 0

    @property
    def nodes(self) -> int:
        """How many nodes a job has: as few as take its processes, the same number on each."""
        nodes = -(-self.ranks // (self.most_ranks or self.ranks))
        while self.ranks % nodes:
            nodes += 1
        return nodes

    @property
    def tasks_per_node(self) -> int:
        """How many processes are started on each of a job's nodes."""
        return self.ranks // self.nodes

    @property
    def gpus_per_node(self) -> int:
        """One for each process of a trial on several nodes; else what a job has."""
        if self.gpus_per_trial and self.ranks > 1:
            return self.tasks_per_node
        return self.gpus_per_trial

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

    def spread(self, ranks: int) -> "Needs":
        """Return the needs of a trial with so many processes.

        These are the same where one node takes them all, else those of a job of its own on several.
        """
        if 0 < self.most_ranks < ranks:
            return replace(self, ranks=ranks, trials_per_job=1, trials_side_by_side=1)
        return self


@dataclass(frozen=True)
class Site:
    """Paths, backend and limits; every field is a key of site.toml but those in `NO_KEYS`."""

    catalog: Path = Path("lab/catalog.duckdb")
    runs: Path = Path("lab/runs")
    data: Path = Path("lab/data")
    # Work that trials have in common, done once; may be deleted at any time
    store: Path = Path("lab/store")
    # Shards that a node fetched for streams of them; best on a disk of the node
    cache: Path = Path("lab/cache")
    snapshot: Path = Path("lab/snapshot")
    # Snapshots of the code that attempts run
    code: Path = Path("lab/code")
    # What people declared, outside the catalog
    declared: Path = Path("lab/declared")
    # The rows of files that were imported, outside the catalog
    imports: Path = Path("lab/imports")
    backend: str = "local"
    # local: jobs at once; 0: one per GPU, or one per core where there is no GPU
    trials_at_once: int = 0
    # slurm: trials queued and running, topped up by priority
    max_in_flight: int = 500
    # Part of a run's numbers to the last bit: keep it the same within a study
    threads_per_trial: int = 1
    # Processes that decode batches ahead of the step; 0: the trial decodes them itself
    workers_per_trial: int = 0
    checkpoint_minutes: float = 10.0
    # Measurements of one backbone and suite that share a job, and the test sets that it opens
    measurements_per_job: int = 16
    # What decoded test images may take of the store; 0: none are kept
    decoded_gb: float = 16.0
    # What fetched shards may take of a node's cache
    cache_gb: float = 100.0
    # What the lab's files may take, without the data; 0: no limit
    disk_gb: float = 0.0
    # Of which tasks the deployed weights stay: `last`, `all` or `every:N`
    keep_weights: str = "last"
    lock_wait_s: float = 30.0
    # How long a silent cluster or a late file is waited for before an attempt is given up
    patience_s: float = 60.0
    needs: Needs = Needs()
    # The tables [backbone.NAME]
    by_backbone: Mapping[str, Needs] = field(default_factory=dict)
    # Of the tables [study.NAME] the key `keep_weights`
    by_study: Mapping[str, str] = field(default_factory=dict)
    # The table [retries]: the catalog's `policy`, where it differs
    retries: Mapping[str, int] = field(default_factory=dict)
    # The table [notify]: a `url` that is sent JSON by POST, or a shell `command` that gets it as
    # input
    notify: Mapping[str, str] = field(default_factory=dict)
    # The folder that relative paths start from
    folder: Path = field(default=Path())

    @classmethod
    def load(cls, folder: Path | None = None) -> "Site":
        """Read `site.toml` of `folder` (default: the working folder).

        Raises:
            SiteError: not TOML, an unknown key, or a value of the wrong type.
        """
        folder = (folder or Path.cwd()).absolute()
        path = folder / "site.toml"
        values = site_file.parsed(path)
        tables = {name: values.pop(name, {}) for name in TABLES}
        for name, table in tables.items():
            site_file.check_table(path, name, table)
        own, of_jobs = _defaults(cls, NO_KEYS), _defaults(Needs, NO_KEYS)
        site_file.check_keys(path, values, [*own, *of_jobs, *tables])
        values = site_file.converted(path, values, own | of_jobs)
        of_all = {key: value for key, value in values.items() if key in of_jobs}
        needs = _needs(path, Needs(), of_all, tables["slurm"])
        by_backbone = {}
        for name, table in tables["backbone"].items():
            by_backbone[name] = _needs_of_backbone(path, needs, name, table)
        by_study = {}
        for name, table in tables["study"].items():
            by_study[name] = site_file.keep_weights_of_study(path, name, table)
        site_file.check_keep_weights(path, "keep_weights", values.get("keep_weights", "last"))
        site_file.check_retries(path, tables["retries"])
        site_file.check_notify(path, tables["notify"])
        if values.get("measurements_per_job", 1) < 1:
            raise SiteError(f"{path}: measurements_per_job must be a whole number, 1 or more")
        absolute = {}
        for key, default in own.items():
            if isinstance(default, Path):
                absolute[key] = folder / values.get(key, default)
        return cls(
            **{key: value for key, value in values.items() if key in own} | absolute,
            needs=needs,
            by_backbone=by_backbone,
            by_study=by_study,
            retries=tables["retries"],
            notify=tables["notify"],
            folder=folder,
        )

    def needs_of(self, backbone: str) -> Needs:
        """Return what a job of trials of a backbone asks for."""
        return self.by_backbone.get(backbone, self.needs)

    def keep_weights_of(self, study: str | None) -> str:
        """Return of which tasks the trials of a study keep what they deployed."""
        return self.by_study.get(study or "", self.keep_weights)

    @property
    def current(self) -> Path:
        """The snapshot that the app and notebooks read."""
        return self.snapshot / "current.duckdb"


TABLES = ("slurm", "backbone", "study", "retries", "notify")
# Fields that are no key of the file: they are its tables, or follow from the rest
NO_KEYS = (
    *("needs", "by_backbone", "by_study", "retries", "notify", "folder"),
    *("slurm", "setup", "ranks"),
)


def _defaults(class_: type[Site] | type[Needs], without: tuple[str, ...]) -> dict[str, Any]:
    """Return the defaults of the fields of a class that are keys of site.toml."""
    return {each.name: each.default for each in fields(class_) if each.name not in without}


def _needs_of_backbone(path: Path, needs: Needs, name: str, table: Any) -> Needs:
    """Return `needs` with what the table `[backbone.NAME]` says differently."""
    site_file.check_table(path, f"backbone.{name}", table)
    of_jobs = _defaults(Needs, NO_KEYS)
    site_file.check_keys(path, table, [*of_jobs, "slurm"], f"backbone.{name}.")
    values = {key: value for key, value in table.items() if key != "slurm"}
    return _needs(path, needs, site_file.converted(path, values, of_jobs), table.get("slurm", {}))


def _needs(path: Path, needs: Needs, values: Mapping[str, Any], slurm: Mapping[str, Any]) -> Needs:
    """Return `needs` with other values, and with other options of sbatch.

    Raises:
        SiteError: fewer than one trial in a job, or an option that cannot be set.
    """
    options, setup = site_file.slurm_options(path, slurm, dict(needs.slurm), needs.setup)
    needs = replace(needs, **values, slurm=tuple(sorted(options.items())), setup=setup)
    for key in ("trials_per_job", "trials_side_by_side"):
        if getattr(needs, key) < 1:
            raise SiteError(
                f"{path}: {key} must be a whole number, 1 or more, not {getattr(needs, key)}"
            )
    return needs
