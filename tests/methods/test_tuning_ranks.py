"""Every tuning in two and three processes that take each step together, of uneven batches."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.utils import parametrize

from methods import Weights, objective
from methods.compute import distributed
from methods.compute.distributed import ALONE, Ranks
from methods.compute.towers import Towers
from runner.worker.processes import Place, join, leave
from schema.checks.compute import Compute
from streams import Batch
from tests.processes import SPAWN
from tests.tiny_clip import batches, build, names, snapshot, task, tuning

# Neither 2 nor 3 divides it; chunks of 4 leave another rest in each process
PAIRS = 23


def trained(name: str, ranks: Ranks, compute: Compute) -> Weights:
    """The weights after a few steps of two tasks, in double precision."""
    torch.manual_seed(1)
    model, how = build().double(), tuning(name)
    towers, contrastive = Towers(compute=compute, ranks=ranks), objective("contrastive", {})
    for number in (1, 2):
        parameters = how.begin(model, replace(task(number), ranks=ranks))
        optimizer = torch.optim.SGD(parameters or [torch.nn.Parameter(torch.empty(0))], 0.1)
        stream = batches(number, PAIRS)
        for _ in range(2 if parameters else 0):
            batch = next(stream)
            with parametrize.cached():
                doubled = Batch(batch.images.double(), batch.texts, batch.sources)
                contrastive.loss(model, doubled, towers).backward()
            ranks.average([moved.grad for moved in parameters if moved.grad is not None])
            with how.stepping(model, optimizer):
                optimizer.step()
            optimizer.zero_grad()
        how.end(model)
    return snapshot(model)


def _works(rank: int, count: int, folder: str) -> None:
    """Train with each tuning together with the other processes, and alone, and compare."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    join(Place(rank, count, rank), f"file://{folder}/store")
    chunks = Compute(chunk_pairs=4)
    ways = [(name, Compute()) for name in names("methods/tuning")]
    for name, compute in [*ways, ("lora", chunks), ("migu", chunks)]:
        together = trained(name, distributed.joined(), compute)
        alone = trained(name, ALONE, Compute())
        for key, tensor in alone.items():
            torch.testing.assert_close(
                together[key],
                tensor,
                rtol=1e-7,
                atol=1e-9,
                msg=lambda text, at=(name, compute, key): f"{at}: {text}",
            )
    distributed.agreed()
    Path(folder, f"done-{rank}").touch()
    leave()


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
def test_every_tuning_is_that_of_one_process(count: int, tmp_path: Path) -> None:
    processes = []
    for rank in range(count):
        processes.append(SPAWN.Process(target=_works, args=(rank, count, str(tmp_path))))
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0] * count
    assert len(list(tmp_path.glob("done-*"))) == count
