"""The settings of this machine, from `site.toml`; without one, `./lab/` and the local backend.

Settings that can change a result are rows of the catalog; all others are here. Paths in the file
are relative to it.
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
    """The resources that a job needs; attempts with equal needs share a submission.

    Every field but `ranks` is a key of site.toml, and of `[backbone.NAME]` in it.
    """

    # 0: no limit (a Slurm cluster requires one)
    time_limit_minutes: float = 0.0
    # Seconds before the limit at which a trial is told to write its checkpoint and end
    signal_s: float = 120.0
    # 0: the default of the partition
    memory_gb: float = 0.0
    # The most memory for retries of a trial that ran out of it; 0: no automatic retry
    memory_gb_most: float = 0.0
    # Memory of one GPU, with which the forecast finds trials that do not fit; 0: not checked
    gpu_memory_gb: float = 0.0
    # GPUs of a job, shared by the trials that run at once in it
    gpus_per_trial: int = 1
    # GPUs of the node that has the most; 0: unknown
    node_gpus: int = 0
    # The most processes of one trial on a node; 0: node_gpus if trials use GPUs, else any number
    ranks_per_node: int = 0
    # 0: the sum of threads_per_trial and workers_per_trial
    cpus_per_trial: int = 0
    # How many trials share a job, so that small ones do not queue and start one by one
    trials_per_job: int = 1
    # How many of these run at once, while the others wait in the job
    trials_side_by_side: int = 1
    # The table [slurm]: any option of sbatch
    slurm: tuple[tuple[str, Option], ...] = ()
    # The key `setup` of [slurm]: shell lines before the trial
    setup: tuple[str, ...] = ()
    # Processes of a trial that runs on several nodes; 1: a trial starts its processes itself
    ranks: int = 1

    @property
    def most_ranks(self) -> int:
        """Return the most processes of one trial on a node; 0: any number."""
        if self.ranks_per_node:
            return self.ranks_per_node
        return self.node_gpus if self.gpus_per_trial else 0

    @property
    def nodes(self) -> int:
        """Return a job's number of nodes: the fewest that hold its processes, evenly spread."""
        nodes = -(-self.ranks // (self.most_ranks or self.ranks))
        while self.ranks % nodes:
            nodes += 1
        return nodes

    @property
    def tasks_per_node(self) -> int:
        """Return how many processes are started on each of a job's nodes."""
        return self.ranks // self.nodes

    @property
    def gpus_per_node(self) -> int:
        """Return the GPUs of a job on each node: one per process if there are several nodes."""
        if self.gpus_per_trial and self.ranks > 1:
            return self.tasks_per_node
        return self.gpus_per_trial

    @property
    def raises(self) -> int:
        """Return how often a trial that ran out of memory is retried with half as much more."""
        count = 0
        while self.memory_gb and self.raised(count).memory_gb < self.memory_gb_most:
            count += 1
        return count

    def raised(self, times: int) -> "Needs":
        """Return the needs of a trial that ran out of memory `times` times."""
        if not self.memory_gb or self.memory_gb_most <= self.memory_gb:
            return self
        return replace(self, memory_gb=min(self.memory_gb * 1.5**times, self.memory_gb_most))

    @property
    def early_s(self) -> float:
        """Return how many seconds before the limit a trial is told: at most half of the limit."""
        return min(self.signal_s, 30 * self.time_limit_minutes)

    def spread(self, ranks: int) -> "Needs":
        """Return the needs of a trial with `ranks` processes.

        They are unchanged if one node can hold all of them, else those of a separate job on several
        nodes.
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
    # The store of work that several trials share; may be deleted at any time
    store: Path = Path("lab/store")
    # The cache of fetched shards; best on a local disk of the node
    cache: Path = Path("lab/cache")
    snapshot: Path = Path("lab/snapshot")
    # Snapshots of the code that attempts run
    code: Path = Path("lab/code")
    # The export of declared rows, outside the catalog
    declared: Path = Path("lab/declared")
    # The rows of files that were imported, outside the catalog
    imports: Path = Path("lab/imports")
    backend: str = "local"
    # local backend: jobs at once; 0: one per GPU, or one per core without GPUs
    trials_at_once: int = 0
    # slurm backend: the most trials queued and running; refilled by priority
    max_in_flight: int = 500
    # Can change the last bits of results, so keep it the same within a study
    threads_per_trial: int = 1
    # Processes that decode batches ahead; 0: the trial decodes them itself
    workers_per_trial: int = 0
    checkpoint_minutes: float = 10.0
    # The most measurements of one backbone and suite in a job, which share its open test sets
    measurements_per_job: int = 16
    # The limit for decoded test images in the store; 0: none are kept
    decoded_gb: float = 16.0
    # The limit for fetched shards in a node's cache
    cache_gb: float = 100.0
    # The limit for the lab's files, without the data; 0: no limit
    disk_gb: float = 0.0
    # The tasks whose deployed weights are kept: `last`, `all` or `every:N`
    keep_weights: str = "last"
    lock_wait_s: float = 30.0
    # How long to wait for a silent cluster or a late file before an attempt is given up
    patience_s: float = 60.0
    needs: Needs = Needs()
    # The tables [backbone.NAME]
    by_backbone: Mapping[str, Needs] = field(default_factory=dict)
    # The key `keep_weights` of the tables [study.NAME]
    by_study: Mapping[str, str] = field(default_factory=dict)
    # The table [retries], which overrides the catalog's `policy`
    retries: Mapping[str, int] = field(default_factory=dict)
    # The table [notify]: a `url` that is sent JSON by POST, or a shell `command` that gets it as
    # input
    notify: Mapping[str, str] = field(default_factory=dict)
    # The folder that paths are relative to
    folder: Path = field(default=Path())

    @classmethod
    def load(cls, folder: Path | None = None) -> "Site":
        """Read `site.toml` of `folder` (default: the working folder).

        Raises:
            SiteError: it is not TOML, or has an unknown key or a value of the wrong type.
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
        """Return the needs of a job of a backbone's trials."""
        return self.by_backbone.get(backbone, self.needs)

    def keep_weights_of(self, study: str | None) -> str:
        """Return for which tasks the trials of a study keep their deployed weights."""
        return self.by_study.get(study or "", self.keep_weights)

    @property
    def current(self) -> Path:
        """Return the snapshot that the app and notebooks read."""
        return self.snapshot / "current.duckdb"


TABLES = ("slurm", "backbone", "study", "retries", "notify")
# Fields that are no keys of the file: its tables, and derived values
NO_KEYS = (
    *("needs", "by_backbone", "by_study", "retries", "notify", "folder"),
    *("slurm", "setup", "ranks"),
)


def _defaults(class_: type[Site] | type[Needs], without: tuple[str, ...]) -> dict[str, Any]:
    """Return the defaults of the fields of a class that are keys of site.toml."""
    return {each.name: each.default for each in fields(class_) if each.name not in without}


def _needs_of_backbone(path: Path, needs: Needs, name: str, table: Any) -> Needs:
    """Return `needs` with the overrides of the table `[backbone.NAME]`."""
    site_file.check_table(path, f"backbone.{name}", table)
    of_jobs = _defaults(Needs, NO_KEYS)
    site_file.check_keys(path, table, [*of_jobs, "slurm"], f"backbone.{name}.")
    values = {key: value for key, value in table.items() if key != "slurm"}
    return _needs(path, needs, site_file.converted(path, values, of_jobs), table.get("slurm", {}))


def _needs(path: Path, needs: Needs, values: Mapping[str, Any], slurm: Mapping[str, Any]) -> Needs:
    """Return `needs` with other values and other options of sbatch.

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
