"""What every selection must do, over the files of methods/selection, and the formulas behind them."""

import json

import pytest
import torch
from open_clip.loss import SigLipLoss

from methods import Selection, part
from methods.selection._joint import choose, pair_losses
from runner.worker.selection import Selector, candidates
from schema.checks import parts, rows
from tests.tiny_clip import PLAINLY, batches, build, differing, names, snapshot, task

SELECTIONS = names("methods/selection")


def made(name: str, **params: object) -> Selection:
    found: Selection = part("selection", name, params)
    return found


@pytest.mark.parametrize("name", SELECTIONS)
def test_it_chooses_a_batch_among_candidates_and_changes_nothing(name: str) -> None:
    model, selection = build(seed=1), made(name, filter_ratio=0.5)
    drawn, before = next(batches(1, pairs=24)), snapshot(model)
    selector = Selector(selection, model, task(), 12)
    assert candidates(selection, 12) == 24
    torch.manual_seed(0)
    kept = selector.select(model, drawn, PLAINLY)
    places = [int((drawn.images == image).flatten(1).all(dim=1).nonzero()) for image in kept.images]
    assert places == sorted(set(places)) and len(places) == 12
    assert torch.equal(kept.texts, drawn.texts[places]) and torch.equal(
        kept.sources, drawn.sources[places]
    )
    assert not differing(before, model.state_dict())
    assert not differing(selector.reference.state_dict(), build().state_dict()), (
        "the untouched backbone judges"
    )
    torch.manual_seed(0)
    again = selector.select(model, drawn, PLAINLY)
    assert torch.equal(kept.images, again.images), "a function of the generator's state"


def test_the_pairwise_loss_sums_to_that_of_open_clip() -> None:
    generator = torch.Generator().manual_seed(0)
    images, texts = (
        torch.nn.functional.normalize(torch.randn(6, 4, generator=generator), dim=1)
        for _ in range(2)
    )
    scale, bias = torch.tensor(2.0), -3.0
    theirs = SigLipLoss()(images, texts, scale.exp(), torch.tensor(bias))
    torch.testing.assert_close(pair_losses(images, texts, scale, bias).sum() / 6, theirs)


def test_the_first_chunk_is_drawn_by_the_pairs_own_scores_and_the_next_by_what_they_add() -> None:
    """Scores so far apart that the draw is certain: 0 and 1 are good alone, but 2 goes with 0 and not with 1."""
    scores = torch.zeros(4, 4)
    scores[0, 0], scores[1, 1] = 2e3, 1e3
    scores[0, 2] = 9e3
    assert choose(scores, 2, 2).tolist() == [0, 2]
    assert choose(scores, 2, 1).tolist() == [0, 1], "in one chunk nothing is known of the others"


def test_draws_follow_the_softmax_of_the_scores() -> None:
    """One of three, 20,000 times: within 4 standard deviations of the probabilities."""
    torch.manual_seed(0)
    scores = torch.diag(torch.tensor([0.0, 1.0, 2.0]))
    drawn = (
        torch.bincount(torch.stack([choose(scores, 1, 1)[0] for _ in range(20_000)]), minlength=3)
        / 20_000
    )
    expected = torch.softmax(torch.tensor([0.0, 1.0, 2.0]), dim=0)
    assert ((drawn - expected).abs() < 4 * (expected * (1 - expected) / 20_000).sqrt()).all()


def test_each_score_is_its_formula() -> None:
    model, reference = torch.rand(3, 3), torch.rand(3, 3)
    assert torch.equal(made("learnability").scores(model, reference), model - reference)
    assert torch.equal(made("easy_reference").scores(model, reference), -reference)


@pytest.mark.parametrize("name", SELECTIONS)
def test_what_cannot_be_meant_is_refused(name: str) -> None:
    for params in ({"filter_ratio": 1.0}, {"filter_ratio": -0.1}, {"chunks": 0}):
        with pytest.raises(
            ValueError, match="a filter_ratio of at least 0 and below 1 and chunks >= 1"
        ):
            made(name, **params)


def test_a_row_names_a_selection_and_its_keys() -> None:
    row = {
        "name": "m",
        "selection": "learnability",
        "selection_params": json.dumps({"filter_ratio": 0.5}),
    }
    rows.check_mixture(row)
    rows.check_mixture({"name": "m", "selection": "none", "selection_params": "{}"})
    for said, message in (
        (
            {"selection": "learnabilty"},
            r"selection \(none, or one that chooses\): unknown 'learnabilty'.*Did you mean 'learnability'",
        ),
        (
            {"selection_params": '{"filter": 1}'},
            "learnability has no parameter 'filter'. Allowed: filter_ratio, chunks, bias",
        ),
        ({"selection": "none"}, "none has no parameter 'filter_ratio'"),
    ):
        with pytest.raises(parts.PartError, match=message):
            rows.check_mixture(row | said)
