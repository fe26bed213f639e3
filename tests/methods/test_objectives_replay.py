"""The reservoir, DER, DER++ and GeRe, against formulas written out in numpy."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

from methods import Task, objective, part
from methods.objectives._replay import Reservoir, Store
from methods.objectives.der import Der
from methods.objectives.derpp import Derpp
from methods.objectives.gere import Gere, margin
from runner.worker.flops import FlopCounter
from streams import PRETRAINING, UPDATE, Batch
from tests.tiny_clip import (
    PLAINLY,
    batches,
    build,
    differing,
    fresh,
    learn,
    names,
    step,
    task,
    tuning,
)


def double(batch: Batch) -> Batch:
    return Batch(batch.images.double(), batch.texts, batch.sources)


def precise(seed: int = 0) -> nn.Module:
    return build(seed).double()


def features(
    model: nn.Module, images: torch.Tensor, texts: torch.Tensor
) -> tuple[np.ndarray, np.ndarray]:
    with torch.no_grad():
        return model.encode_image(images).numpy(), model.encode_text(texts).numpy()


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def number(loss: torch.Tensor) -> float:
    return float(loss.detach())


def numbered(first: int, count: int) -> Batch:
    """Pairs that say which they are."""
    texts = torch.arange(first, first + count)[:, None].repeat(1, 8)
    return Batch(
        torch.zeros(count, 3, 16, 16), texts, torch.full((count,), UPDATE, dtype=torch.int8)
    )


class Blind(nn.Module):
    """What a reservoir asks of a model, for nothing."""

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(images), 1)

    def encode_text(self, texts: torch.Tensor) -> torch.Tensor:
        return texts[:, :1].float()


def test_a_reservoir_keeps_every_pair_ever_offered_with_equal_chance() -> None:
    torch.manual_seed(0)
    seen: Counter[int] = Counter()
    for _ in range(300):
        kept = Reservoir(6)
        for number_of_task in range(4):
            kept.fill(
                Blind(),
                fresh(iter([numbered(6 * number_of_task, 4), numbered(6 * number_of_task + 4, 4)])),
                PLAINLY,
                lambda rows: rows,
            )
        assert kept.offered == 24 and len(kept.store) == 6
        held = kept.store.rows["texts"][:, 0].tolist()
        assert len(set(held)) == 6 and kept.store.rows["told"][:, 0].tolist() == held, (
            "rows of one pair stay together"
        )
        seen.update(held)
    # Of 300 draws each of 24 pairs is kept 75 times on average, with a deviation of 7.5
    assert (
        set(seen) == set(range(24))
        and min(seen.values()) > 75 - 4 * 7.5
        and max(seen.values()) < 75 + 4 * 7.5
    )


def test_a_reservoir_takes_the_tasks_own_pairs_only() -> None:
    kept = Reservoir(10)
    kept.fill(build(), fresh(batches(1)), PLAINLY, lambda rows: rows)
    own = {
        tuple(row)
        for batch, _ in zip(batches(1), range(2), strict=False)
        for row in batch.texts[batch.sources == UPDATE].tolist()
    }
    assert {tuple(row) for row in kept.store.rows["texts"].tolist()} <= own and len(
        kept.store
    ) == 10
    pretraining = next(batches(1))
    alien = Batch(
        pretraining.images, pretraining.texts, torch.full_like(pretraining.sources, PRETRAINING)
    )
    with pytest.raises(
        ValueError, match=r"this batch has none; use a mixture with update_share > 0"
    ):
        kept.fill(build(), fresh(iter([alien])), PLAINLY, lambda rows: rows)


def test_a_store_replays_no_pair_twice_and_by_torchs_global_generator() -> None:
    kept = Store()
    kept.put(numbered(0, 9), torch.arange(9.0)[:, None], torch.arange(9.0)[:, None], list(range(9)))
    torch.manual_seed(4)
    drawn = [kept.draw(5, torch.device("cpu")) for _ in range(2)]
    torch.manual_seed(4)
    again = [kept.draw(5, torch.device("cpu")) for _ in range(2)]
    for (pairs, seen, told), (repeated, _, _) in zip(drawn, again, strict=True):
        assert (
            torch.equal(pairs.texts, repeated.texts) and len(set(pairs.texts[:, 0].tolist())) == 5
        )
        assert pairs.texts[:, 0].tolist() == seen[:, 0].tolist() == told[:, 0].tolist()
    assert len(kept.draw(99, torch.device("cpu"))[0].texts) == 9


@pytest.mark.parametrize("name", ["der", "derpp"])
def test_the_first_task_has_nothing_to_replay(name: str) -> None:
    what = part("objectives", name, {"buffer_pairs": 8})
    assert number(what.loss(build(), next(batches(1)), PLAINLY)) == 0.0
    plain, model = build(), build()
    learn(plain, tuning("full"), objective("contrastive", {}), 3)
    learn(model, tuning("full"), objective(f"contrastive+{name}", {name: {"buffer_pairs": 8}}), 3)
    assert not differing(plain.state_dict(), model.state_dict())


def test_der_is_the_squared_distance_of_embeddings_by_numpy() -> None:
    then, now, what = precise(1), precise(2), Der(weight=0.4, buffer_pairs=8, replay_pairs=5)
    what.end(then, fresh(map(double, batches(1))), PLAINLY)
    assert number_of(what) == 8
    torch.manual_seed(9)
    loss = what.loss(now, double(next(batches(2))), PLAINLY)
    torch.manual_seed(9)
    chosen = torch.randperm(8)[:5]
    images, texts = (what.state_dict()[name][chosen] for name in ("images", "texts"))
    old, new = (
        tuple(unit(rows) for rows in features(model, images, texts)) for model in (then, now)
    )
    expected = (
        0.4
        * sum(float(((a - b) ** 2).sum(axis=1).mean()) for a, b in zip(old, new, strict=True))
        / 2
    )
    assert number(loss) == pytest.approx(expected, rel=1e-6)
    assert number(what.loss(then, double(next(batches(2))), PLAINLY)) == pytest.approx(
        0.0, abs=1e-12
    )


def number_of(what: Der | Derpp) -> int:
    return len(what.state_dict()["texts"])


def test_derpp_adds_open_clips_loss_of_the_replayed_pairs() -> None:
    from open_clip.loss import ClipLoss

    then, now, batch = precise(1), precise(2), double(next(batches(2)))
    params = {"buffer_pairs": 8, "replay_pairs": 8}
    whole, half = Derpp(weight=0.4, contrastive_weight=0.6, **params), Der(weight=0.4, **params)
    for what in (whole, half):
        torch.manual_seed(3)
        what.end(then, fresh(map(double, batches(1))), PLAINLY)
    losses = []
    for what in (whole, half):
        torch.manual_seed(9)
        losses.append(number(what.loss(now, batch, PLAINLY)))
    images, texts = (whole.state_dict()[name] for name in ("images", "texts"))
    pair = now.encode_image(images, normalize=True), now.encode_text(texts, normalize=True)
    theirs = 0.6 * number(ClipLoss()(*pair, now.logit_scale.exp()))
    assert losses[0] - losses[1] == pytest.approx(theirs, rel=1e-6)
    whole.loss(now, batch, PLAINLY).backward()
    assert now.logit_scale.grad is None, "the temperature is left to the loss of the task"


@pytest.mark.parametrize("name", ["der", "derpp"])
def test_replaying_keeps_embeddings_nearer(name: str) -> None:
    """Of the pairs of the first task, through the second."""

    def drift(weight: float) -> float:
        torch.manual_seed(0)
        model, what = (
            build(),
            objective(f"contrastive+{name}", {name: {"weight": weight, "buffer_pairs": 24}}),
        )
        learn(model, tuning("full"), what, 10)
        batch = next(batches(1))
        before = features(model, batch.images, batch.texts)
        learn(model, tuning("full"), what, 20, number=2)
        after = features(model, batch.images, batch.texts)
        return sum(
            float(((unit(a) - unit(b)) ** 2).sum()) for a, b in zip(before, after, strict=True)
        )

    assert drift(10.0) < 0.8 * drift(0.0)


def test_replay_is_counted_where_it_is_spent() -> None:
    """A step of the second task costs twice one of the first.

    As many pairs are replayed as the batch has.
    """
    model, what, batch = (
        build(),
        objective("contrastive+der", {"der": {"buffer_pairs": 16}}),
        next(batches(1)),
    )

    def flops() -> int:
        with FlopCounter() as counter:
            what.loss(model, batch, PLAINLY).backward()
        return int(counter.get_total_flops())

    alone = flops()
    with FlopCounter() as counter:
        what.end(model, fresh(batches(1)), PLAINLY)
    assert counter.get_total_flops() > 0
    assert flops() == pytest.approx(2 * alone, rel=0.01)


def margin_by_hand(
    now: np.ndarray, before: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> float:
    """Unit by unit."""
    wrong = []
    for row, held in zip(now, before, strict=True):
        for h, h0, low, high in zip(row, held, lower, upper, strict=True):
            if h0 <= low:
                wrong.append(max(0.0, h - low))
            elif h0 >= high:
                wrong.append(max(0.0, high - h))
            else:
                wrong.append(max(0.0, low - h, h - high))
    return sum(wrong) / max(1, sum(value > 0 for value in wrong))


def test_geres_margin_is_the_hinges_unit_by_unit() -> None:
    generator = torch.Generator().manual_seed(0)
    now, before = (torch.randn(20, 6, generator=generator, dtype=torch.float64) for _ in range(2))
    bounds = (
        before.mean(dim=0) - before.std(dim=0, correction=0),
        before.mean(dim=0) + before.std(dim=0, correction=0),
    )
    expected = margin_by_hand(now.numpy(), before.numpy(), *(bound.numpy() for bound in bounds))
    assert number(margin(now, before, *bounds)) == pytest.approx(expected, rel=1e-6)
    assert number(margin(before, before, *bounds)) == 0.0, "nothing is wrong where nothing moved"


def test_gere_is_its_formula_by_numpy() -> None:
    initial, now, batch = precise(1), precise(2), double(next(batches(1)))
    what = Gere(weight=3.0, width=0.5, general_pairs=4, replay_pairs=3)
    what.begin(initial, Task(1, 5, initial.state_dict()))
    torch.manual_seed(9)
    loss = what.loss(now, batch, PLAINLY)
    chosen = batch.sources == PRETRAINING
    assert torch.equal(what.state_dict()["texts"], batch.texts[chosen]), (
        "the set is the pretraining part"
    )
    general = np.concatenate(features(initial, batch.images[chosen], batch.texts[chosen]), axis=1)
    torch.manual_seed(9)
    drawn = torch.randperm(4)[:3].numpy()
    mean, deviation = general.mean(axis=0), general.std(axis=0)
    moved = np.concatenate(
        features(now, batch.images[chosen][drawn], batch.texts[chosen][drawn]), axis=1
    )
    expected = 3.0 * margin_by_hand(
        moved, general[drawn], mean - 0.5 * deviation, mean + 0.5 * deviation
    )
    assert expected > 0 and number(loss) == pytest.approx(expected, rel=1e-6)
    assert number(what.loss(initial, batch, PLAINLY)) == pytest.approx(0.0, abs=1e-9)


def test_geres_set_is_filled_once_and_then_the_copy_of_the_weights_goes() -> None:
    model, what, stream = build(), Gere(general_pairs=6, replay_pairs=2), batches(1)
    what.begin(model, task())
    sizes = []
    for _ in range(3):
        what.loss(model, next(stream), PLAINLY)
        sizes.append(len(what.state_dict()["texts"]))
    assert sizes == [4, 6, 6] and what._teacher is None
    before = {key: tensor.clone() for key, tensor in what.state_dict().items()}
    what.end(model, fresh(stream), PLAINLY)
    what.begin(model, task(2))
    what.loss(model, next(stream), PLAINLY)
    assert what._teacher is None and not differing(before, what.state_dict())


def test_gere_says_what_to_do_without_pretraining_pairs() -> None:
    batch, what = next(batches(1)), Gere()
    what.begin(build(), task())
    with pytest.raises(ValueError, match=r"this batch has none; use pretraining_share > 0"):
        what.loss(
            build(), Batch(batch.images, batch.texts, torch.zeros_like(batch.sources)), PLAINLY
        )


def test_gere_keeps_units_where_they_were() -> None:
    def wrong(weight: float) -> float:
        torch.manual_seed(0)
        model, what = (
            build(),
            objective("contrastive+gere", {"gere": {"weight": weight, "general_pairs": 16}}),
        )
        learn(model, tuning("full"), what, 20)
        probe = Gere(weight=1.0, general_pairs=16)
        probe.load_state_dict(
            {key.removeprefix("gere."): tensor for key, tensor in what.state_dict().items()}
        )
        return number(probe.loss(model, next(batches(1)), PLAINLY))

    assert wrong(10.0) < 0.8 * wrong(0.0)


@pytest.mark.parametrize("name", names("methods/objectives"))
def test_no_student_is_read_without_gradients_within_a_loss(name: str) -> None:
    """A weight that a tuning computes is computed once for a loss.

    Read without gradients first, nothing would be learned.
    """
    from tests.tiny_clip import objective_of

    model, what, how, stream = build(), objective_of(name), tuning("lora"), batches(1)
    torch.manual_seed(1)
    what.begin(model, task())
    parameters = how.begin(model, task())
    before = [parameter.detach().clone() for parameter in parameters]
    for _ in range(2):
        step(model, how, what, torch.optim.SGD(parameters, lr=0.1), next(stream))
    assert all(not torch.equal(now, was) for now, was in zip(parameters, before, strict=True))


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        (
            "der",
            {"buffer_pairs": 0},
            r"der takes weight >= 0, buffer_pairs >= 1 and replay_pairs >= 0",
        ),
        (
            "derpp",
            {"contrastive_weight": -1.0},
            r"derpp takes weights >= 0, buffer_pairs >= 1 and replay_pairs >= 0",
        ),
        (
            "gere",
            {"replay_pairs": 0},
            r"gere takes weight >= 0, width > 0, general_pairs and replay_pairs >= 1",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(
    name: str, params: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        part("objectives", name, params)
