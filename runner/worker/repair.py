"""The repair of a task: a stage after its training, on pairs of earlier tasks alone."""

from dataclasses import replace

from methods import Method, Repair, merger, objective
from schema.spec import Spec


def repairing(spec: Spec, repair: Repair) -> tuple[Spec, Method]:
    """Return the definition and the method that a repair trains by.

    It takes pairs of the buffer alone, the contrastive loss, and its share of the peak learning
    rate.
    """
    mixture = spec.mixture | {
        "update_share": 0.0,
        "buffer_share": 1.0,
        "pretraining_share": 0.0,
        "selection": "none",
        "mixing": None,
        "mixing_params": {},
    }
    recipe = spec.recipe | {"lr": spec.recipe["lr"] * repair.lr_scale}
    method = Method(repair, objective("contrastive", {}), merger("none", {}, "last", "last"))
    return replace(spec, mixture=mixture, recipe=recipe), method
