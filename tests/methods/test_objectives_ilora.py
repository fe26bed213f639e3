"""I-LoRA's consistency against its formula, and its slow weights against a copy kept by hand."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from methods import merger, objective
from methods.objectives.ilora import Ilora
from methods.parameters import weights_in_use
from streams import BUFFER, UPDATE, Batch
from tests.methods.test_objectives_losses import drawn, precise
from tests.tiny_clip import PLAINLY, batches, fresh, task, tuning

DECAY, LR = 0.7, 0.05


def consistency(model: nn.Module, slow: nn.Module, batch: Batch) -> torch.Tensor:
    """Return the mean squared distance of replayed pairs' embeddings by two models, by hand."""
    apart = []
    for place, source in enumerate(batch.sources.tolist()):
        if source != BUFFER:
            continue
        image, text = batch.images[place : place + 1], batch.texts[place : place + 1]
        for name, what in (("encode_image", image), ("encode_text", text)):
            now = functional.normalize(getattr(model, name)(what))
            with torch.no_grad():
                before = functional.normalize(getattr(slow, name)(what))
            apart.append((now - before).square().sum())
    return torch.stack(apart).mean()


def test_ilora_is_the_formula_and_its_slow_weights_are_an_average_over_two_tasks() -> None:
    """The merging `ema_step` of the same decay averages the same weights."""
    model, what = precise(), Ilora(weight=0.5, decay=DECAY)
    slow = copy.deepcopy(model)
    average = merger("ema_step", {"decay": DECAY, "restart": False}, "last", "merged")
    for number in (1, 2):
        average.begin(model)
        what.begin(model, task(number))
        how = tuning("lora")
        moving = how.begin(model, task(number))
        sgd = torch.optim.SGD(moving, LR)
        for seed in (1, 2):
            batch = drawn(seed)
            found = what.loss(model, batch, PLAINLY)
            torch.testing.assert_close(
                found, 0.5 * consistency(model, slow, batch), rtol=1e-9, atol=1e-12
            )
            (found + functional.cross_entropy(*scores(model, batch))).backward()
            with what.stepping(model, 1.0):
                sgd.step()
            sgd.zero_grad()
            with torch.no_grad():
                used = weights_in_use(model)
                for name, parameter in slow.named_parameters():
                    parameter.copy_(DECAY * parameter + (1 - DECAY) * used[name])
            average.step(lambda: dict(model.named_buffers()) | weights_in_use(model))
        average.end()
        how.end(model)
        what.end(model, fresh(batches(1)), PLAINLY)
    for name, parameter in slow.named_parameters():
        torch.testing.assert_close(what.state_dict()[name], parameter, rtol=1e-9, atol=1e-12)
    averaged = average.merge("steps", [dict(model.state_dict())])
    for name, parameter in slow.named_parameters():
        torch.testing.assert_close(averaged[name].double(), parameter.detach(), rtol=1e-6, atol=0)


def scores(model: nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits of images by texts, and the places of their own."""
    images = functional.normalize(model.encode_image(batch.images))
    texts = functional.normalize(model.encode_text(batch.texts))
    return images @ texts.T, torch.arange(len(images))


def test_ilora_asks_nothing_of_a_batch_without_pairs_of_the_buffer() -> None:
    model, batch = precise(), drawn()
    new = Batch(batch.images, batch.texts, torch.full_like(batch.sources, UPDATE))
    whole = objective("contrastive+ilora", {})
    whole.begin(model, task())
    expected = objective("contrastive", {}).loss(model, new, PLAINLY)
    assert torch.equal(whole.loss(model, new, PLAINLY), expected)


@pytest.mark.parametrize("params", [{"weight": -1.0}, {"decay": 1.5}, {"decay": -0.1}])
def test_ilora_refuses_what_is_no_average(params: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"ilora takes weight >= 0 and a decay in \[0, 1\]"):
        Ilora(**params)
