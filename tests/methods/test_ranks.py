"""Objectives and tunings under several processes: what they give is what one process gives.

Also where a batch cannot be shared out evenly, so that some processes have a row less.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch.nn.utils import parametrize

from methods.compute import distributed
from methods.compute.distributed import ALONE, Ranks
from methods.compute.towers import Towers
from runner.worker.processes import Place, join, leave
from runner.worker.profiler.step_cost import profile
from streams import Batch
from tests.processes import SPAWN
from tests.runner.worker.test_step_cost import ewc, spec_of
from tests.tiny_clip import batches, build, fresh, names, objective_of, task, tuning

State = dict[str, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Case:
    """Two tasks that are learned by several processes, and by one."""

    objective: str
    tuning: str = "lora"
    pairs: int


def doubled(seed: int, pairs: int) -> Iterator[Batch]:
    """Yield batches in double precision."""
    for batch in batches(seed, pairs):
        yield Batch(batch.images.double(), batch.texts, batch.sources)


def two_tasks(case: Case, ranks: Ranks) -> State:
    """Take a step of each of two tasks, and return all that there is to compare.

    That is the loss, the weights, and what the objective remembers, of each task.
    """
    torch.manual_seed(1)
    model, what = build().double(), objective_of(case.objective)
    towers, state = Towers(ranks=ranks), State()
    for number in (1, 2):
        how, about = tuning(case.tuning), replace(task(number), ranks=ranks)
        what.begin(model, about)
        moving = how.begin(model, about)
        stream = doubled(number, case.pairs)
        with parametrize.cached():
            loss = what.loss(model, next(stream), towers)
            loss.backward()  # type: ignore[no-untyped-call]
        ranks.average([parameter.grad for parameter in moving if parameter.grad is not None])
        optimizer = torch.optim.SGD(moving, 0.1)
        with what.stepping(model, 1.0), how.stepping(model, optimizer):
            optimizer.step()
        optimizer.zero_grad()
        how.end(model)
        what.end(model, fresh(stream), towers)
        state[f"{number} loss"] = loss.detach()
        for key, tensor in what.state_dict().items():
            state[f"{number} {key}"] = tensor.detach().clone()
        for key, tensor in model.state_dict().items():
            state[f"{number} weight {key}"] = tensor.clone()
    return state


def compared(case: Case, path: Path) -> None:
    """Assert that the joined processes come to what one process comes to.

    The first of them takes the case alone for all, and leaves what it came to in a file.
    """
    together = two_tasks(case, distributed.joined())
    if distributed.rank() == 0:
        torch.save(two_tasks(case, ALONE), path)
    # None reads before it is written: a number is waited for
    distributed.agreed(0)
    alone = torch.load(path)
    assert together.keys() == alone.keys()
    for key, tensor in alone.items():
        torch.testing.assert_close(
            together[key],
            tensor,
            rtol=1e-8,
            atol=1e-10,
            msg=lambda message, key=key: f"{case}, {key}: {message}",
        )


def profiled_alone() -> None:
    """Assert that a profile asks no other process, and is that of one process.

    The first process profiles while the others do not, so that a message would have no answer.
    """
    if distributed.rank() == 0:
        rows = profile(spec_of(**ewc(160)))
        assert rows == profile(spec_of(**ewc(160)), sampled=False)
    distributed.agreed()


def _works(rank: int, count: int, folder: str, cases: list[Case]) -> None:
    """Be one of several processes: take each case with the others, and compare it with one alone."""
    torch.set_num_threads(1)
    join(Place(rank, count, rank), f"file://{folder}/store")
    profiled_alone()
    torch.set_default_dtype(torch.float64)
    for number, case in enumerate(cases):
        compared(case, Path(folder, f"alone-{number}"))
    distributed.agreed()
    Path(folder, f"done-{rank}").touch()
    leave()


CASES = [
    *(
        Case(objective=name, pairs=pairs)
        for name in names("methods/objectives")
        for pairs in (16, 17)
    ),
    *(
        Case(objective="contrastive", tuning=name, pairs=16)
        for name in ("full", "migu", "dora", "locked_image")
    ),
]


@pytest.mark.parametrize("count", [2, 3])
def test_every_objective_and_tuning_is_that_of_one_process(count: int, tmp_path: Path) -> None:
    """Losses, weights, and what is remembered of weights, in double precision.

    Of 17 pairs two processes cannot have as many each, and of 16 three cannot.
    """
    uneven = (16, 17) if count == 2 else (16,)
    cases = []
    for case in CASES:
        if case.pairs in uneven and (case.tuning == "lora" or case.pairs % count == 0):
            cases.append(case)
    started = []
    for rank in range(count):
        arguments = (rank, count, str(tmp_path), cases)
        started.append(SPAWN.Process(target=_works, args=arguments))
    for process in started:
        process.start()
    for process in started:
        process.join(600)
    assert [process.exitcode for process in started] == [0] * count
    assert len(list(tmp_path.glob("done-*"))) == count


def test_parts_are_shared_out_as_evenly_as_can_be() -> None:
    assert Ranks(3, 0).sizes(17) == [5, 6, 6] and Ranks(2, 1).sizes(16) == [8, 8]
    rows = torch.arange(17)
    parts = [rows[Ranks(3, rank).part(17)] for rank in range(3)]
    assert torch.equal(torch.cat(parts), rows)
    assert [len(Ranks(3, rank).padded(rows)) for rank in range(3)] == [5, 6, 6]
