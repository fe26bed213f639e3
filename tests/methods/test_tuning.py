"""What every tuning must do, over the files of methods/tuning, and what each promises beside."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from methods import objective, optimizers, part
from methods.parameters import weights_in_use
from tests.tiny_clip import (
    RECIPE,
    batches,
    build,
    check_golden,
    differing,
    learn,
    names,
    snapshot,
    step,
    task,
    tuning,
)

TUNINGS = names("methods/tuning")
CONTRASTIVE = objective("contrastive", {})


def features(model: nn.Module) -> torch.Tensor:
    batch = next(batches(5))
    with torch.no_grad():
        return torch.cat([model.encode_image(batch.images), model.encode_text(batch.texts)])


@pytest.mark.parametrize("name", TUNINGS)
def test_begin_and_end_leave_the_plain_clip_as_it_was(name: str) -> None:
    model, before = build(), build()
    held = {key: parameter.requires_grad for key, parameter in model.named_parameters()}
    how = tuning(name)
    how.begin(model, task())
    assert torch.equal(features(model), features(before)), "begin must not change the function"
    how.end(model)
    assert not differing(model.state_dict(), before.state_dict()), (
        "a task without steps changes nothing, nor the order of keys"
    )
    assert {key: parameter.requires_grad for key, parameter in model.named_parameters()} == held
    assert [type(module) for module in model.modules()] == [
        type(module) for module in before.modules()
    ]


@pytest.mark.parametrize("name", TUNINGS)
def test_what_does_not_move_does_not_move_by_a_bit(name: str) -> None:
    model, how = build(), tuning(name)
    parameters = how.begin(model, task())
    moving = {id(parameter) for parameter in parameters}
    assert parameters and moving == {
        id(parameter) for parameter in model.parameters() if parameter.requires_grad
    }
    held = {
        key: parameter for key, parameter in model.named_parameters() if id(parameter) not in moving
    }
    before = snapshot(model)
    optimizer, stream = optimizers.optimizer("adamw", parameters, RECIPE), batches(1)
    for _ in range(20):
        step(model, how, CONTRASTIVE, optimizer, next(stream))
    after = dict(model.named_parameters())
    assert not [key for key in held if not torch.equal(before[key], after[key])]
    assert [key for key in before if not torch.equal(before[key], model.state_dict()[key])], (
        "nothing learned"
    )


@pytest.mark.parametrize("name", TUNINGS)
def test_end_keeps_what_was_learned_and_the_next_task_begins_again(name: str) -> None:
    model, how, stream = build(), tuning(name), batches(1)
    plain = list(build().state_dict())
    for _ in range(3):
        start = features(model)
        optimizer = optimizers.optimizer("adamw", how.begin(model, task()), RECIPE)
        for _ in range(3):
            step(model, how, CONTRASTIVE, optimizer, next(stream))
        learned = features(model)
        how.end(model)
        assert list(model.state_dict()) == plain
        torch.testing.assert_close(features(model), learned)
        assert not torch.equal(start, learned)


@pytest.mark.parametrize("name", TUNINGS)
def test_a_checkpoint_from_within_a_task_goes_on_to_the_last_bit(name: str) -> None:
    """Another process goes on from the state dicts.

    It has a fresh model with other weights, and calls `begin` with the generator seeded as for any
    start of the task.
    """
    stream = batches(1)
    drawn = [next(stream) for _ in range(6)]
    model, how = build(), tuning(name)
    learn(model, how, CONTRASTIVE, 3)  # so that the interrupted task is not the first
    torch.manual_seed(123)
    optimizer = optimizers.optimizer("adamw", how.begin(model, task()), RECIPE)
    for batch in drawn[:3]:
        step(model, how, CONTRASTIVE, optimizer, batch)
    saved = snapshot(model), optimizer.state_dict(), how.state_dict()
    saved = torch.utils._pytree.tree_map(
        lambda leaf: leaf.clone() if isinstance(leaf, torch.Tensor) else leaf, saved
    )
    for batch in drawn[3:]:
        step(model, how, CONTRASTIVE, optimizer, batch)
    how.end(model)

    torch.manual_seed(123)
    resumed, again = build(seed=9), tuning(name)
    again.load_state_dict(saved[2])
    optimizer = optimizers.optimizer("adamw", again.begin(resumed, task()), RECIPE)
    resumed.load_state_dict(saved[0])
    optimizer.load_state_dict(saved[1])
    again.load_state_dict(saved[2])
    for batch in drawn[3:]:
        step(resumed, again, CONTRASTIVE, optimizer, batch)
    again.end(resumed)
    assert not differing(model.state_dict(), resumed.state_dict())


@pytest.mark.parametrize("name", TUNINGS)
def test_the_weights_in_use_are_named_as_in_the_plain_clip(name: str) -> None:
    """A penalty sees during a task, tensor by tensor, what `end` leaves behind.

    Gradients of it reach what moves.
    """
    model, how = build(), tuning(name)
    plain = set(weights_in_use(model))
    assert plain == {key for key, _ in model.named_parameters()}
    parameters = how.begin(model, task())
    optimizer, stream = optimizers.optimizer("adamw", parameters, RECIPE), batches(1)
    for _ in range(3):
        step(model, how, CONTRASTIVE, optimizer, next(stream))
    used = weights_in_use(model)
    assert set(used) == plain
    sum(tensor.square().sum() for tensor in used.values()).backward()
    assert all(parameter.grad is not None for parameter in parameters)
    how.end(model)
    for key, parameter in model.named_parameters():
        torch.testing.assert_close(used[key].detach(), parameter.detach(), msg=key)


@pytest.mark.parametrize("name", TUNINGS)
def test_added_parameters_come_from_the_global_generator(name: str) -> None:
    def begun(seed: int) -> dict[str, torch.Tensor]:
        model = build()
        torch.manual_seed(seed)
        tuning(name).begin(model, task())
        return dict(model.state_dict())

    assert not differing(begun(1), begun(1))


@pytest.mark.parametrize("name", TUNINGS)
def test_golden_losses(name: str) -> None:
    check_golden(f"tuning {name}", lambda: learn(build(), tuning(name), CONTRASTIVE, 20))


def moved(name: str) -> set[str]:
    """The parts of the model that a task changes: image tower, text tower, temperature."""
    model, before = build(), build()
    learn(model, tuning(name), CONTRASTIVE, 3)
    changed = differing(model.state_dict(), before.state_dict())
    return {
        "image" if key.startswith("visual.") else "temperature" if key == "logit_scale" else "text"
        for key in changed
    }


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("full", {"image", "text", "temperature"}),
        ("lora", {"image", "text"}),
        ("bitfit", {"image", "text"}),
        ("lnfit", {"image", "text"}),
        ("linear_probe", {"image", "text"}),
        ("galore", {"image", "text", "temperature"}),
        ("hft", {"image", "text", "temperature"}),
        ("coso", {"image", "text"}),
        ("locked_image", {"text", "temperature"}),
        ("locked_text", {"image", "temperature"}),
    ],
)
def test_the_right_parts_move(name: str, parts: set[str]) -> None:
    assert moved(name) == parts


def test_a_parameter_that_the_backbone_holds_fixed_stays_so() -> None:
    for name in TUNINGS:
        model, how = build(), tuning(name)
        model.positional_embedding.requires_grad_(False)
        assert not any(
            parameter is model.positional_embedding for parameter in how.begin(model, task())
        )
        how.end(model)
        assert not model.positional_embedding.requires_grad, name


def test_lora_trains_what_its_keys_say() -> None:
    model = build()
    parameters = part(
        "tuning", "lora", {"rank": 2, "alpha": 1.0, "targets": ["attn.out_proj.weight"]}
    ).begin(model, task())
    assert len(parameters) == 2 * 4  # a pair for each of 2 + 2 layers
    assert {min(parameter.shape) for parameter in parameters} == {2}
    out = model.visual.transformer.resblocks[0].attn.out_proj
    update = out.parametrizations.weight[0]
    with torch.no_grad():
        update.up.fill_(1.0)
    expected = out.parametrizations.weight.original + 1.0 / 2 * update.down.sum(dim=0)
    torch.testing.assert_close(out.weight, expected)


@pytest.mark.parametrize("low", [False, True])
def test_lora_folds_exactly_the_weight_that_training_used(low: bool) -> None:
    """In bfloat16 autocast too, where a product formed on the fly would have been a rounded one."""
    model, how, stream = build(), tuning("lora"), batches(1)
    optimizer = optimizers.optimizer("adamw", how.begin(model, task()), RECIPE)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=low):
        for _ in range(5):
            step(model, how, CONTRASTIVE, optimizer, next(stream))
        used = {key: tensor.detach().clone() for key, tensor in weights_in_use(model).items()}
    learned = features(model)
    how.end(model)
    assert torch.equal(features(model), learned)
    assert not [
        key for key, tensor in used.items() if not torch.equal(tensor, model.get_parameter(key))
    ]
    assert not any(parametrize.is_parametrized(module) for module in model.modules())


def test_lora_updates_have_the_rank_asked_for() -> None:
    model, before = build(), build()
    learn(model, part("tuning", "lora", {"rank": 3}), CONTRASTIVE, 5)
    for key in differing(model.state_dict(), before.state_dict()):
        singular = torch.linalg.svdvals(
            (model.state_dict()[key] - before.state_dict()[key]).double()
        )
        assert int((singular > 1e-5 * singular[0]).sum()) == 3, key


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"rank": 0}, r"rank >= 1"),
        ({"targets": []}, r"one target or more"),
        (
            {"ranks": 4},
            r"no parameter 'ranks'. Allowed: rank, alpha, targets, merge_after_task. "
            r"Did you mean 'rank'\?",
        ),
        (
            {"targets": ["mlp.c_proj"]},
            r"'mlp.c_proj' is the end of no matrix's name.*mlp.c_proj.weight",
        ),
    ],
)
def test_lora_refuses_what_it_cannot_do(params: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        part("tuning", "lora", params).begin(build(), task())


def test_batch_normalisation_cannot_be_frozen() -> None:
    model = build()
    model.visual.ln_pre = nn.BatchNorm1d(32)
    with pytest.raises(
        ValueError, match=r"visual.ln_pre is a batch normalisation.*Use tuning 'full'"
    ):
        part("tuning", "locked_image", {}).begin(model, task())


def test_an_unknown_tuning_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        ValueError, match=r"unknown 'lroa'. Files in methods/tuning: bitfit, .*Did you mean 'lora'"
    ):
        part("tuning", "lroa", {})
