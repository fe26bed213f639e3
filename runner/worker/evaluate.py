"""The evaluate stage: measuring the weights that a task deploys on the suite."""

from methods import Weights
from runner.worker.costs import Entry, Ledger
from runner.worker.evaluation import Row, SuiteTests, Untouched, examples_of, measure_suite
from runner.worker.reuse import untouched_key
from runner.worker.suites import shares
from runner.worker.trial_parts import Trial


def evaluate(trial: Trial, task: int, deployed: Weights, ledger: Ledger) -> list[Row]:
    """Return rows of `result` for the weights that a task deploys.

    Task 0 is the untouched backbone.
    Charged to the ledger as the phase `evaluate`. The model holds the deployed weights afterwards.
    """
    trial.learner.load_weights(deployed)
    parts = shares(trial.spec.stream["suite"], task, trial.tasks)
    if task:
        return _measure(trial, task, parts, ledger)
    # Every trial would come to the same by the untouched backbone, so one measures it for all
    key = untouched_key(trial, parts)
    stored = trial.store.untouched.get(key)
    if stored is not None:
        ledger.put("evaluate", Entry(**stored.state["entry"] | {"shared": stored.shared}))
        return list(stored.state["results"])
    results = _measure(trial, task, parts, ledger)
    entry = ledger.entries["evaluate"]
    trial.store.untouched.put(key, {"results": results, "entry": vars(entry)})
    return results


def _measure(trial: Trial, task: int, parts: tuple[float, ...], ledger: Ledger) -> list[Row]:
    backbone = trial.learner.backbone
    untouched = Untouched(backbone, trial.initial)
    step = trial.plan.steps if task else 0
    with ledger.phase("evaluate") as entry:
        measured = SuiteTests(
            suite=trial.spec.stream["suite"],
            tests=trial.datasets.tests,
            brought=trial.datasets.brought,
        )
        results = measure_suite(backbone, measured, parts, task, step, untouched)
        entry.pairs = examples_of(results)
        trial.datasets.publish_decoded()
    return results
