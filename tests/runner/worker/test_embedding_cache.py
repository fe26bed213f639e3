"""Embeddings of a tower that does not move: the same bits whatever an item is drawn with, and refused where it would not hold."""

import json
import logging
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from open_clip.model import CLIP
from safetensors.torch import load_file
from torch import Tensor, nn

from runner.scheduler.resolve import CHECKS, _refusal
from runner.worker import embedding_cache
from runner.worker.embedding_cache import EmbeddingCache
from runner.worker.embedding_items import Item, items_of
from runner.worker.shared_store import ABANDONED_S, ASIDE, Shelf
from schema.checks.compute import ComputeError
from schema.checks.parts import PartError
from schema.checks.rows import check_recipe
from schema.checks.sentences import check_cache
from schema.spec import Spec
from streams import Draw
from tests.methods.test_compiled import learn_all, small
from tests.runner.test_trial import spec_of
from tests.runner.worker.test_shared_store import JOB
from tests.runner.worker.test_step_cost import RECIPE
from tests.tiny_clip import PLAINLY, TEXT, VISION, build, task, tuning


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """What a trial in this process changes for all of it."""
    fused = torch.backends.mha.get_fastpath_enabled()
    yield
    torch.backends.mha.set_fastpath_enabled(fused)


def known(which: str, folder: Path | None = None, **about: Any) -> EmbeddingCache:
    """Nothing but what is in a store at `folder`."""
    return EmbeddingCache(which, Shelf(folder, JOB), about)


def locked(which: str) -> tuple[nn.Module, EmbeddingCache]:
    """A model whose tower is locked, and what is known of it: nothing."""
    model, made = small(), known(which)
    tuning(f"locked_{which}").begin(model, task())
    made.begin(model.train())
    return model, made


def rows_of(which: str) -> tuple[Tensor, list[Item]]:
    """100 different items."""
    generator = torch.Generator().manual_seed(0)
    if which == "text":
        tokens = torch.randint(1, 31, (100, 8), generator=generator)
        return tokens, items_of("text", Draw(torch.empty(0), [], np.empty(0), []), tokens)
    chosen = [(build(), np.arange(60)), (build(), np.arange(40))]
    pixels = torch.randint(0, 256, (100, 3, 16, 16), dtype=torch.uint8, generator=generator)
    items = items_of("image", Draw(pixels, [], np.empty(0), chosen), torch.empty(0))  # type: ignore[arg-type]
    return pixels / 255 - 0.5, items


@pytest.mark.parametrize("which", ["image", "text"])
def test_a_number_depends_on_the_item_alone(which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is drawn with, in whichever order, twice in a batch, known or not, and kept or not."""
    rows, items = rows_of(which)
    assert len({item.key for item in items}) == len({item.name for item in items}) == 100
    model, first = locked(which)
    at_once = first.rows(model, items, rows, PLAINLY)
    with torch.no_grad():
        torch.testing.assert_close(
            at_once, getattr(model, first.encode)(rows), rtol=1e-5, atol=1e-6
        )
    assert (first.requested, first.computed, len(first.known)) == (100, 100, 100)
    monkeypatch.setattr(embedding_cache, "BOUND_BYTES", 20 * at_once[0].nbytes)
    _, other = locked(which)
    for seed in range(4):
        drawn = np.random.default_rng(seed).integers(0, 100, 7 + 10 * seed).tolist()
        found = other.rows(model, [items[n] for n in drawn], rows[drawn], PLAINLY)
        assert torch.equal(found, at_once[drawn])
    assert len(other.known) == 20 and other.bytes == embedding_cache.BOUND_BYTES
    assert torch.equal(
        first.rows(model, items[::-1], torch.zeros_like(rows), PLAINLY), at_once.flip(0)
    ), "what is known is not computed"


def test_what_is_known_ends_with_the_weights(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "runner")
    rows, items = rows_of("image")
    model, made = locked("image")
    before = made.rows(model, items[:4], rows[:4], PLAINLY)
    made.begin(model)
    made.rows(model, items[:4], rows[:4], PLAINLY)
    made.end(3)
    assert "task 3: 50% of 8 image embeddings were known already (0.00 GB held)" in caplog.text
    with torch.no_grad():
        model.get_parameter("visual.proj").mul_(2)
        model.get_parameter("text_projection").mul_(2)
    made.begin(model)
    assert not made.known and torch.equal(
        made.rows(model, items[:4], rows[:4], PLAINLY), 2 * before
    )


def begun(which: str, folder: Path, **about: Any) -> tuple[nn.Module, EmbeddingCache]:
    """As `locked`, beside a store."""
    model, made = locked(which)[0], known(which, folder, **about)
    made.begin(model)
    return model, made


@pytest.mark.parametrize("which", ["image", "text"])
def test_what_a_trial_has_computed_others_look_up(which: str, tmp_path: Path) -> None:
    """To the bit, by what an item is: in other pairs it has another key. What one leaves twice, or two at once, is the same."""
    rows, items = rows_of(which)
    (model, first), (_, second) = begun(which, tmp_path), begun(which, tmp_path)
    alone = known(which)
    alone.begin(model)
    expected = alone.rows(model, items, rows, PLAINLY)
    first.rows(model, items[:60], rows[:60], PLAINLY)
    second.rows(model, items[40:], rows[40:], PLAINLY)
    for made in (first, second, first):
        made.end(1)
    assert len(list(tmp_path.glob("*/*/state.json"))) == 2 and not list(tmp_path.glob("*/.*"))
    _, third = begun(which, tmp_path)
    elsewhere = [item._replace(key=("elsewhere", n)) for n, item in enumerate(items)]
    assert torch.equal(third.rows(model, elsewhere, torch.zeros_like(rows), PLAINLY), expected)
    assert (third.requested, third.computed) == (100, 0)
    moved = [item._replace(key=n, place=(item.place + 1) % 32) for n, item in enumerate(items)]
    third.rows(model, moved, rows, PLAINLY)
    assert third.computed == 100, "another place in a batch may round otherwise"
    first.begin(model)
    assert first.rows(model, items, torch.zeros_like(rows), PLAINLY).equal(expected), (
        "what others left meanwhile is met by the next task"
    )


@pytest.mark.parametrize(
    "about",
    [{"precision": "bf16"}, {"compute": {"channels_last": True}}, {"pixels": [[0.5], [0.5]]}],
)
def test_what_is_computed_otherwise_is_not_looked_up(about: dict[str, Any], tmp_path: Path) -> None:
    rows, items = rows_of("text")
    model, first = begun("text", tmp_path)
    first.rows(model, items, rows, PLAINLY)
    first.end(1)
    assert (
        not begun("text", tmp_path, **about)[1].shared.rows
        and begun("text", tmp_path)[1].shared.rows
    )
    with torch.no_grad():
        model.get_parameter("text_projection").mul_(2)
    other = known("text", tmp_path)
    other.begin(model)
    assert not other.shared.rows, "the weights are others"


def test_an_entry_that_is_torn_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    """Also one whose writer was killed: nothing is in its place."""
    rows, items = rows_of("text")
    model, first = begun("text", tmp_path)
    first.rows(model, items[:50], rows[:50], PLAINLY)
    first.end(1)
    (tensors,) = tmp_path.glob("*/*/state.safetensors")
    (tensors.parent.parent / f"{ASIDE}killed").mkdir()
    whole = tensors.read_bytes()
    tensors.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert not begun("text", tmp_path)[1].shared.rows
    _, second = begun("text", tmp_path)
    second.rows(model, items[:50], rows[:50], PLAINLY)
    second.end(1)
    assert tensors.read_bytes() == whole and len(begun("text", tmp_path)[1].shared.rows) == 50


def test_the_store_is_bounded_and_what_was_used_last_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, items = rows_of("text")
    model, made = begun("text", tmp_path)
    names = list[str]()
    for n in range(4):
        made.rows(model, items[n * 25 : n * 25 + 25], rows[n * 25 : n * 25 + 25], PLAINLY)
        made.end(n)
        (name,) = set(made.shared.shelf.names()) - set(names)
        names.append(name)
        os.utime(made.shared.shelf.folder / name, (n, n))  # type: ignore[operator]
    folder = made.shared.shelf.folder or tmp_path
    each = sum(file.stat().st_size for file in (folder / names[0]).iterdir())
    assert made.shared.shelf.get(names[0]) is not None, "it was read now"
    for age_s, aside in ((0, "new"), (2 * ABANDONED_S, "old")):
        (folder / f"{ASIDE}{aside}").mkdir()
        os.utime(folder / f"{ASIDE}{aside}", (time.time() - age_s,) * 2)
    made.shelf.keep(round(2.5 * each))
    assert {path.name for path in folder.iterdir()} == {names[0], names[3], f"{ASIDE}new"}
    monkeypatch.setattr(embedding_cache, "BOUND_BYTES", 1)
    assert len(begun("text", tmp_path)[1].shared.entries) == 1, "no more than fits is read"


def test_a_tower_that_moves_or_draws_is_refused() -> None:
    with pytest.raises(
        ComputeError,
        match=r"the image tower moves \(visual.class_embedding, .*\). Leave cache_frozen out",
    ):
        known("image").begin(small())
    dropping = CLIP(
        embed_dim=16, vision_cfg=VISION | {"patch_dropout": 0.5}, text_cfg=TEXT
    ).requires_grad_(False)
    with pytest.raises(ComputeError, match="visual.patch_dropout drops 50% at random in training"):
        known("image").begin(dropping)
    known("text").begin(dropping)


@pytest.mark.parametrize(
    ("method", "mixture", "recipe", "words"),
    [
        (
            "lora",
            {},
            {},
            "tuning 'lora' moves both towers. Use one of gnsp, locked_image, locked_text, or use a recipe without it",
        ),
        (
            "locked_image",
            {},
            {"augmentation_params": {"scale": [0.9, 1.0]}},
            "make another image of an item each time",
        ),
        (
            "locked_text",
            {"selection": "learnability"},
            {},
            "selection 'learnability' passes all candidates",
        ),
    ],
)
def test_what_would_not_hold_is_refused_before_a_job_exists(
    method: str, mixture: dict[str, Any], recipe: dict[str, Any], words: str
) -> None:
    said = json.loads(spec_of("tuning lora").to_json())
    said["recipe"] |= {"compute_params": {"cache_frozen": True}} | recipe
    said["mixture"] |= mixture
    said["method"] |= {"tuning": method}
    refusals = [_refusal(check, Spec.from_row(said), None) for _, check in CHECKS]
    objection = next(filter(None, refusals), None)
    assert (
        objection is not None
        and words in objection
        and "cache_frozen keeps the embeddings of a tower" in objection
    )


def test_it_is_for_one_process_and_augmented_images_leave_texts_what_they_are() -> None:
    params = json.dumps({"cache_frozen": True, "ranks": 2})
    with pytest.raises(
        PartError, match="cache_frozen is for one process, and ranks is 2. Leave one of the two out"
    ):
        check_recipe(RECIPE | {"compute_params": params})
    recipe = RECIPE | {
        "compute_params": {"cache_frozen": True},
        "augmentation_params": {"scale": [0.9, 1.0]},
    }
    check_cache({"name": "m", "tuning": "locked_text"}, {"name": "x", "selection": "none"}, recipe)


@pytest.mark.parametrize("which", ["image", pytest.param("text", marks=pytest.mark.slow)])
def test_a_trial_is_the_same_to_rounding_and_resumed_to_the_bit(
    which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """FLOPs are charged as if nothing had been known; a trial beside one that was there before computes nothing anew."""
    said, store = json.loads(spec_of(f"tuning locked_{which}").to_json()), str(tmp_path / "store")
    brought = {}
    for name, stop_at, place in (
        ("plain", None, ""),
        ("whole", None, store),
        ("killed", (2, 2), ""),
        ("beside", None, store),
    ):
        said["recipe"] |= {"compute_params": {"cache_frozen": True} if name != "plain" else {}}
        brought[name] = learn_all(tmp_path / name, Spec.from_row(said), stop_at, monkeypatch, place)
        shares = re.findall(rf"(\d+)% of \d+ {which} embeddings were known already", caplog.text)
        caplog.clear()
        assert bool(shares) == (name != "plain") and (set(shares) == {"100"}) == (name == "beside")
    assert brought["killed"] == brought["whole"] == brought["beside"]
    assert [brought["plain"][f"cost {n}"] for n in range(3)] == [
        brought["whole"][f"cost {n}"] for n in range(3)
    ]
    weights = [
        load_file(next((tmp_path / name).glob("**/task-0002.deployed.safetensors")))
        for name in ("plain", "whole")
    ]
    for key, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][key], tensor, rtol=1e-3, atol=1e-4)
