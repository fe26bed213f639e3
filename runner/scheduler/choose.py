"""Decide: which trials of `todo` start in this pass, in which jobs, and with what needs."""

from collections.abc import Collection
from dataclasses import dataclass, field

import duckdb

from runner.scheduler.base_weights import Bases
from runner.scheduler.resolve import RefusedError, Resolver
from runner.scheduler.sharing import shares, stems
from runner.scheduler.tidy import without_room
from schema.checks.compute import Compute
from schema.site import Needs, Site
from schema.spec import Spec

# Looked at beyond the room there is, so that trials that cannot run do not hide those that can
REFUSALS_PER_PASS = 100


@dataclass
class Wanted:
    """An attempt about to be made."""

    trial: int
    attempt: int
    spec: Spec
    # The definition as the catalog has it
    text: str
    study: str | None
    priority: int
    # Of the trial whose model it begins from
    weights: str | None
    # Where it finds and leaves work in common; "": nowhere
    store: str = ""
    # Of the trials that want some of it
    stem: str = ""
    # Set when its row is made
    serial: int = 0


@dataclass
class Chosen:
    """What this pass will start: jobs in the order of todo, each with the needs and the attempts
    that share it.
    """

    # Trials that were ready before these were taken
    pending: int
    jobs: list[tuple[Needs, list[Wanted]]] = field(default_factory=list)
    # Trial, attempt, why
    refused: list[tuple[int, int, str]] = field(default_factory=list)

    # Trials that met a full disk, which has no room for them yet
    without_room: list[int] = field(default_factory=list)

    @property
    def attempts(self) -> int:
        """How many attempts there are in all."""
        return sum(len(job) for _, job in self.jobs)


def choose(
    site: Site,
    connection: duckdb.DuckDBPyConnection,
    room: int,
    limit: int | None,
    refused: Collection[Needs] = (),
) -> Chosen:
    """The first trials of `todo` that fit into `room` jobs, but none of `refused` needs; those that
    cannot run as declared are named with the reason.
    """
    most = room * max(needs.trials_per_job for needs in (site.needs, *site.by_backbone.values()))
    most = most if limit is None else min(most, limit)
    todo = connection.execute(
        "SELECT trial, attempt, study, priority, backbone FROM todo "
        "WHERE NOT list_contains(?, backbone) ORDER BY priority DESC, trial LIMIT ?",
        [_backbones(site, connection, refused), most + REFUSALS_PER_PASS],
    ).fetchall()
    ((pending,),) = connection.execute("SELECT count(*) FROM startable").fetchall()
    chosen, resolver, bases = (
        Chosen(pending),
        Resolver(connection, [trial for trial, *_ in todo], site.data),
        Bases(site),
    )
    in_common = stems(site, connection, [trial for trial, *_ in todo])
    store = str(site.store) if shares(connection) else ""
    chosen.without_room = without_room(site, connection, [trial for trial, *_ in todo])
    short = _short_of_memory(connection, [trial for trial, *_ in todo])
    open_jobs: dict[Needs, list[Wanted]] = {}
    for trial, attempt, study, priority, backbone in todo:
        if limit is not None and chosen.attempts == limit:
            break
        if trial in chosen.without_room:
            continue
        needs = site.needs_of(backbone)
        if needs not in open_jobs and len(chosen.jobs) == room and trial not in short:
            # A later trial may still share a job
            continue
        try:
            spec, text = resolver.resolve(trial)
            needs = _needs(spec, needs, site.backend).raised(short.get(trial, 0))
            weights, stem = bases.weights(spec), in_common.get(trial, "")
            wanted = Wanted(trial, attempt, spec, text, study, priority, weights, store, stem)
        except RefusedError as error:
            chosen.refused.append((trial, attempt, str(error)))
            continue
        if needs in refused or (needs not in open_jobs and len(chosen.jobs) == room):
            continue
        if needs not in open_jobs:
            open_jobs[needs] = []
            chosen.jobs.append((needs, open_jobs[needs]))
        open_jobs[needs].append(wanted)
        if len(open_jobs[needs]) == needs.trials_per_job:
            del open_jobs[needs]
    return chosen


def _short_of_memory(connection: duckdb.DuckDBPyConnection, trials: list[int]) -> dict[int, int]:
    """Return trial -> how often it ran out of the host's memory since a person asked for a retry."""
    if not trials:
        return {}
    return dict(
        connection.execute(
            "SELECT o.trial, count(*) FROM outcome o JOIN attempt a USING (trial, attempt) "
            "LEFT JOIN (SELECT trial, max(serial) AS retried FROM request WHERE wish = 'retry' "
            "GROUP BY trial) r USING (trial) WHERE o.kind = 'oom_host' "
            "AND a.serial > coalesce(r.retried, 0) AND o.trial IN (SELECT unnest(?::BIGINT[])) "
            "GROUP BY o.trial",
            [trials],
        ).fetchall()
    )


def _needs(spec: Spec, needs: Needs, backend: str) -> Needs:
    """What the job of a trial asks for: each of its processes wants a GPU (a site with
    `gpus_per_trial` 0 trains on CPUs), and more of them than a node takes are spread over several.

    Raises:
        RefusedError: says which key of site.toml to set, or what to do where there is one node.
    """
    ranks, name = Compute.of(spec.recipe).ranks, spec.backbone["name"]
    wanted, spread = (
        f"recipe {spec.recipe['name']!r} trains with {ranks} ranks",
        needs.spread(ranks),
    )
    if spread.ranks > 1 and backend == "local":
        most, key = needs.most_ranks, "ranks_per_node" if needs.ranks_per_node else "node_gpus"
        raise RefusedError(
            f"{wanted}, and a node takes {most} ({key} in site.toml); the backend local is one node. Use a recipe with at most "
            f"{most} ranks (chunk_pairs keeps its batch whole), or a backend with several nodes"
        )
    if spread.ranks == 1 and 0 < needs.gpus_per_trial < ranks:
        raise RefusedError(
            f"{wanted}, and a job has {needs.gpus_per_trial} GPU: set gpus_per_trial = {ranks} in site.toml, for all or under "
            f"[backbone.{name}] (0 where it trains on CPUs)"
        )
    return spread


def _backbones(
    site: Site, connection: duckdb.DuckDBPyConnection, refused: Collection[Needs]
) -> list[str]:
    """Those whose trials have needs that the backend refuses."""
    if not refused:
        return []
    return [
        name
        for (name,) in connection.execute("SELECT name FROM backbone").fetchall()
        if site.needs_of(name) in refused
    ]
