"""The route stage: an ensemble that asks one member for an image learns what a task's images are.

It sees them through the untouched backbone. What it has learned lies in the run folder, beside the
weights of the task, and the next task goes on from there.
"""

from dataclasses import replace

import torch
from torch import Tensor

from methods import Weights
from methods.compute import distributed
from methods.ensembles._routed import Routed
from runner.worker.batches import mixture_batches
from runner.worker.costs import Ledger
from runner.worker.trial_parts import Trial
from runner.worker.weights import ROUTED
from streams import UPDATE

ROUTE = "route"


def learn_routes(trial: Trial, task: int, last: Weights, ledger: Ledger) -> None:
    """Let the ensemble of a trial learn a task's images; does nothing where it does not route.

    Charged to the ledger as the phase `route`. The model holds the weights that the task ended
    with afterwards.
    """
    ensemble = trial.learner.method.ensemble
    if ensemble is None or not isinstance(ensemble.rule, Routed):
        return
    rule = ensemble.rule
    rule.load_state_dict(trial.history.routed(task - 1))
    with ledger.phase(ROUTE) as entry:
        trial.learner.load_weights(trial.initial)
        features = _features(trial, task, rule.pairs)
        trial.learner.load_weights(last)
        rule.learn(features, task)
        entry.pairs = len(features)
    # All processes have learned the same, and one writes it
    if distributed.rank() == 0:
        trial.history.save(task, ROUTED, rule.state_dict())


@torch.no_grad()
def _features(trial: Trial, task: int, pairs: int) -> Tensor:
    """Return (pairs, D) unit-norm features of a task's own images, as the model now sees them."""
    spec, backbone = trial.spec, trial.learner.backbone
    only_own = {
        "update_share": 1.0,
        "buffer_share": 0.0,
        "pretraining_share": 0.0,
        "selection": "none",
        "mixing": None,
        "mixing_params": {},
        "selection_params": {},
        "buffer_policy": None,
    }
    spec = replace(spec, mixture=spec.mixture | only_own)
    steps = -(-pairs // int(spec.recipe["batch_pairs"]))
    batches = mixture_batches(spec, trial.datasets, backbone, trial.task(task, steps))
    backbone.model.eval()
    features = []
    for _ in range(steps):
        batch = batches.draw()
        own = batch.images[(batch.sources == UPDATE).to(batch.images.device)]
        features.append(backbone.model.encode_image(own, normalize=True).float())
    return torch.cat(features)[:pairs]
