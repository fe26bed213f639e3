"""The evaluate stage: measuring the weights that a task deploys on the suite."""

from collections.abc import Sequence

from evals import Encoder
from methods import Weights
from runner.worker.costs import Entry, Ledger
from runner.worker.ensemble_encoder import EnsembleEncoder
from runner.worker.evaluation import (
    Evaluation,
    Row,
    SuiteTests,
    examples_of,
    measure_suite,
)
from runner.worker.inference import inference_rows
from runner.worker.items import ItemRecord
from runner.worker.reuse import untouched_key
from runner.worker.suites import shares
from runner.worker.trial_parts import Trial
from runner.worker.weight_line import others


def evaluate(
    trial: Trial, task: int, deployed: Weights, ledger: Ledger, members: Sequence[Weights] = ()
) -> Evaluation:
    """Return what the suite says of the weights that a task deploys.

    Task 0 is the untouched backbone. `members` are the models of an ensemble, where one is
    deployed: they are measured together.
    Charged to the ledger as the phase `evaluate`. The model holds the deployed weights afterwards.
    """
    trial.learner.load_weights(deployed)
    parts = shares(trial.spec.stream["suite"], task, trial.tasks)
    if task:
        encoder = encoder_of(trial, members)
        evaluation = _measure(trial, task, deployed, encoder, ledger)
        if members:
            # The model holds whatever member was measured last
            trial.learner.load_weights(deployed)
        return evaluation
    # Every trial would come to the same by the untouched backbone, so one measures it for all
    key = untouched_key(trial, parts)
    stored = trial.store.untouched.get(key)
    if stored is not None:
        ledger.put("evaluate", Entry(**stored.state["entry"] | {"shared": stored.shared}))
        return Evaluation.from_state(stored.state)
    evaluation = _measure(trial, task, deployed, trial.learner.backbone, ledger)
    entry = ledger.entries["evaluate"]
    trial.store.untouched.put(key, evaluation.state() | {"entry": vars(entry)})
    return evaluation


def _measure(
    trial: Trial, task: int, deployed: Weights, encoder: Encoder, ledger: Ledger
) -> Evaluation:
    """Measure what a task deploys, which `encoder` is; an ensemble is more than `deployed`."""
    step = trial.plan.steps if task else 0
    suite = trial.spec.stream["suite"]

    def of(number: int) -> Weights:
        # What the task before deployed lies on the disk until this one has its receipt
        return deployed if number == task else trial.history.deployed(number)

    with ledger.phase("evaluate") as entry:
        measured = SuiteTests(
            suite=suite,
            tests=trial.datasets.tests,
            brought=trial.datasets.brought,
            items=ItemRecord.of(suite),
        )
        parts = shares(suite, task, trial.tasks)
        compared = others(trial.learner.backbone, trial.initial, of, task)
        results = measure_suite(encoder, measured, parts, task, step, compared)
        entry.pairs = examples_of(results)
        trial.datasets.publish_decoded()
    return Evaluation(results=results, items=measured.items)


def encoder_of(trial: Trial, members: Sequence[Weights]) -> Encoder:
    """Return what is deployed as an encoder: the model as it is, or the members of an ensemble."""
    backbone, ensemble = trial.learner.backbone, trial.learner.method.ensemble
    if not members or ensemble is None:
        return backbone
    return EnsembleEncoder(backbone, ensemble.rule, members, trial.initial)


def inference(trial: Trial, task: int, members: Sequence[Weights] = ()) -> list[Row]:
    """Return rows of `statistic`: what an image and a text cost the deployed encoder.

    An ensemble leaves the model with the weights of its last member.
    """
    backbone = trial.learner.backbone
    return inference_rows(encoder_of(trial, members), backbone.image_px, task)
