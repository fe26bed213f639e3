"""What the job of a trial asks of a machine, by its recipe and by site.toml."""

from runner.scheduler.resolve import RefusedError
from schema.checks.compute import Compute
from schema.site import Needs
from schema.spec import Spec


def job_needs(spec: Spec, needs: Needs, backend: str) -> Needs:
    """Return the needs of a trial's job.

    Each of its processes wants a GPU (a site with `gpus_per_trial` 0 trains on CPUs), and more of
    them than a node takes are spread over several.

    Raises:
        RefusedError: says which key of site.toml to set, or what to do where there is one node.
    """
    ranks, name = Compute.of(spec.recipe).ranks, spec.backbone["name"]
    request = f"recipe {spec.recipe['name']!r} trains with {ranks} ranks"
    spread = needs.spread(ranks)
    if spread.ranks > 1 and backend == "local":
        most, key = needs.most_ranks, "ranks_per_node" if needs.ranks_per_node else "node_gpus"
        raise RefusedError(
            f"{request}, and a node takes {most} ({key} in site.toml); the backend local is one "
            f"node. Use a recipe with at most {most} ranks (chunk_pairs keeps its batch whole), or "
            "a backend with several nodes"
        )
    if spread.ranks == 1 and 0 < needs.gpus_per_trial < ranks:
        raise RefusedError(
            f"{request}, and a job has {needs.gpus_per_trial} GPU: set gpus_per_trial = {ranks} in "
            f"site.toml, for all or under [backbone.{name}] (0 where it trains on CPUs)"
        )
    return spread
