"""Several processes for one trial: where each stands in the group, and how they find each other.

The process that has an attempt forks the others on its own machine (`runner.worker.crew`). Where
somebody else has started all of them (Slurm on several nodes, with a task for each, or `torchrun`),
they only find each other, by what submitit's helper or torchrun says. By hand there may be more or
fewer than the recipe says: results are those of the recipe to rounding, and any number of processes
goes on from a checkpoint of any other.
"""

import os
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed as dist

# How long a process waits for the others to join
JOIN_S = 300.0


class RanksError(RuntimeError):
    """The processes of a trial cannot work together here."""


@dataclass(frozen=True)
class Place:
    """The place of a process in its group: its rank, of how many, and its device here."""

    rank: int
    count: int
    device: int


def launched() -> Place | None:
    """Return the place that `torchrun` or a Slurm job of several tasks gave to this process.

    None: this process was started alone.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return Place(
            rank=int(os.environ["RANK"]),
            count=int(os.environ["WORLD_SIZE"]),
            device=int(os.environ["LOCAL_RANK"]),
        )
    if int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) == 1:
        return None
    from submitit.helpers import TorchDistributedEnvironment

    environment = TorchDistributedEnvironment()
    # A site may know better by which name its nodes are reached
    os.environ.setdefault("MASTER_ADDR", environment.master_addr)
    os.environ.setdefault("MASTER_PORT", str(environment.master_port))
    return Place(environment.rank, environment.world_size, environment.local_rank)


def join(place: Place, method: str = "env://") -> None:
    """Find the others: by gloo on the CPU, by nccl between GPUs.

    Raises:
        RanksError: this machine has fewer GPUs than processes.
    """
    gpus = torch.cuda.device_count()
    if gpus and place.device >= gpus:
        raise RanksError(
            f"process {place.rank} of {place.count} has no GPU: this machine shows {gpus}. "
            "Set gpus_per_trial in site.toml to at least the recipe's ranks, or let the recipe "
            "have fewer"
        )
    if gpus:
        torch.cuda.set_device(place.device)
    os.environ.setdefault("TORCH_NCCL_ASYNC_ERROR_HANDLING", "1")
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if gpus else "gloo",
        init_method=method,
        rank=place.rank,
        world_size=place.count,
        timeout=timedelta(seconds=JOIN_S),
    )


def leave() -> None:
    """Undo `join`; does nothing where nobody joined."""
    if dist.is_initialized():
        dist.destroy_process_group()
