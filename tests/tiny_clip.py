"""A CLIP small enough for a test, pairs that it can learn, and a task as a trial runs it."""

import ast
import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from open_clip.model import CLIP
from torch import nn
from torch.nn.utils import parametrize

from methods import FreshPairs, Objective, Task, Tuning, Weights, objective, optimizers, part
from methods.compute.towers import Towers
from streams import BUFFER, PRETRAINING, UPDATE, Batch

PLAINLY = Towers()
ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden" / "losses.json"
RECIPE = {"lr": 3e-3, "weight_decay": 0.2, "optimizer_params": {}}
VISION = {
    "image_size": 16,
    "patch_size": 8,
    "width": 32,
    "layers": 2,
    "head_width": 16,
    "mlp_ratio": 2.0,
}
TEXT = {
    "context_length": 8,
    "vocab_size": 32,
    "width": 32,
    "heads": 2,
    "layers": 2,
    "mlp_ratio": 2.0,
}
# What a part needs to be worth running on a model this small; others run with their defaults
PARAMS: dict[str, dict[str, Any]] = {
    "ewc": {"weight": 1e3, "fisher_pairs": 32},
    "mas": {"importance_pairs": 32},
    "der": {"buffer_pairs": 20},
    "derpp": {"buffer_pairs": 20},
    "gere": {"general_pairs": 8},
    "mer": {"every": 4},
}


def names(place: str) -> list[str]:
    """The parts of a folder that train: a new file is tested the moment it exists."""
    return sorted(
        file.stem
        for file in (ROOT / place).glob("*.py")
        # `given` takes weights that are there already (tests/methods/test_given.py)
        if not file.stem.startswith("_") and file.stem != "given"
    )


def build(seed: int = 0) -> CLIP:
    """The same weights for the same seed; torch's global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CLIP(embed_dim=16, vision_cfg=VISION, text_cfg=TEXT)


def batches(seed: int, pairs: int = 16) -> Iterator[Batch]:
    """Yield batches without end: noisy images of 24 concepts, and texts that name them.

    Seeds are different sets of concepts.

    Half are the task's own pairs, the rest from the buffer and from pretraining.
    """
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(24, 3, 16, 16, generator=generator)
    texts = torch.randint(1, 31, (24, 8), generator=generator)
    while True:
        drawn = torch.randperm(24, generator=generator)[:pairs]
        noise = torch.randn(len(drawn), 3, 16, 16, generator=generator)
        half, quarter = len(drawn) - len(drawn) // 2, len(drawn) // 4
        counts = torch.tensor([half, quarter, len(drawn) - half - quarter])
        sources = torch.tensor([UPDATE, BUFFER, PRETRAINING], dtype=torch.int8).repeat_interleave(
            counts
        )
        yield Batch(images=images[drawn] + noise / 2, texts=texts[drawn], sources=sources)


def fresh(stream: Iterator[Batch]) -> FreshPairs:
    """Return batches as an objective sees them at the end of a task."""
    return FreshPairs(lambda: next(stream))


def tuning(name: str) -> Tuning:
    """With what it needs here."""
    made: Tuning = part("tuning", name, PARAMS.get(name, {}))
    return made


def whole(name: str) -> str:
    """An objective that can be a method's only one: a penalty is joined to the contrastive loss."""
    return f"contrastive+{name}" if part("objectives", name, PARAMS.get(name, {})).penalty else name


def objective_of(name: str) -> Objective:
    """The whole objective, with what it needs here."""
    params = {term: PARAMS.get(term, {}) for term in whole(name).split("+")}
    return objective(whole(name), params if len(params) > 1 else params[name])


def task(number: int = 1, steps: int = 20) -> Task:
    """What a part is told; the untouched backbone is `build()`."""
    return Task(number, steps, build().state_dict())


def learn(
    model: nn.Module, how: Tuning, what: Objective, steps: int, number: int = 1
) -> list[float]:
    """One task; the loss of each step."""
    torch.manual_seed(number)
    what.begin(model, task(number, steps))
    parameters = how.begin(model, task(number, steps))
    optimizer = optimizers.optimizer("adamw", parameters, RECIPE)
    stream = batches(number)
    losses = [
        step(model, how, what, optimizer, next(stream)) for _ in range(steps if parameters else 0)
    ]
    how.end(model)
    what.end(model, fresh(stream), PLAINLY)
    return losses


def step(
    model: nn.Module, how: Tuning, what: Objective, optimizer: torch.optim.Optimizer, batch: Batch
) -> float:
    """One optimizer step, as the trial takes it."""
    with parametrize.cached():
        loss = what.loss(model, batch, PLAINLY)
    loss.backward()
    with what.stepping(model, 1.0), how.stepping(model, optimizer):
        optimizer.step()
    optimizer.zero_grad()
    return float(loss.detach())


def snapshot(model: nn.Module) -> Weights:
    """The state dict as it is now."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def differing(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> list[str]:
    """The names whose tensors are not the same to the bit."""
    assert list(one) == list(other)
    return [name for name in one if not torch.equal(one[name], other[name])]


def check_golden(name: str, losses: Callable[[], list[float]]) -> None:
    """Compare losses with those on record.

    They are equal to the last bit on the kind of machine they come from, else to 1e-5.

    Other processors and other thread counts add numbers in another order, and 20 steps carry the
    rounding along. `machine` is where most losses come from, `elsewhere` names the others' by name.
    After a wanted change run tests/methods/test_tuning.py and test_objectives.py with WEIR_ACCEPT=1
    and `-k PART`, then read the diff.
    """
    golden = json.loads(GOLDEN.read_text())
    found, machine = losses(), _machine()
    if os.environ.get("WEIR_ACCEPT"):
        _accept(golden, name, found, machine)
    assert name in golden["losses"], (
        f"no losses on record for {name}: see how to accept them in check_golden"
    )
    expected = golden["losses"][name]
    recorded = golden["elsewhere"].get(name, golden["machine"])
    if machine == recorded and torch.get_num_threads() == 1:
        assert found == expected
    else:
        torch.testing.assert_close(torch.tensor(found), torch.tensor(expected), rtol=1e-5, atol=0.0)


def _accept(golden: dict[str, Any], name: str, losses: list[float], machine: str) -> None:
    """Put the losses of one part on record, and the machine that they come from; the others stay."""
    golden["losses"] = dict(sorted((golden["losses"] | {name: losses}).items()))
    golden["elsewhere"].pop(name, None)
    if machine != golden["machine"]:
        golden["elsewhere"] = dict(sorted((golden["elsewhere"] | {name: machine}).items()))
    head = {"machine": golden["machine"], "elsewhere": golden["elsewhere"]}
    lines = [f"{json.dumps(key)}: {json.dumps(values)}" for key, values in golden["losses"].items()]
    text = json.dumps(head)[:-1] + ', "losses": {\n' + ",\n".join(lines) + "\n}}\n"
    GOLDEN.write_text(text)


def field_defaults(path: Path, class_name: str) -> dict[str, Any]:
    """Return the public fields of a dataclass with their defaults, read without importing.

    Fails where a default is no literal.
    """
    tree = ast.parse(path.read_text())
    (found,) = [
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name
    ]
    fields = [
        item
        for item in found.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    ]
    public = [
        item
        for item in fields
        if not item.target.id.startswith("_") and "ClassVar" not in ast.unparse(item.annotation)
    ]
    return {
        item.target.id: ast.literal_eval(item.value) for item in public if item.value is not None
    }


def _machine() -> str:
    """Return what decides how sums are rounded.

    That is the processor, its instructions as torch uses them, and torch's version.
    """
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().partition("\n\n")[0].splitlines() if cpuinfo.exists() else []
    said = dict(line.replace("\t", "").split(":", 1) for line in lines if ":" in line)
    named = [said[key].strip() for key in ("model name", "cpu family", "model") if key in said]
    processor = " ".join(named) or platform.processor() or platform.machine()
    return f"{processor}, {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}"
