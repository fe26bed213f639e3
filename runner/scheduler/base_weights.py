"""The models that trials begin from where a backbone is `trial:<id>`.

Such a model is what another trial of the catalog deployed last.
"""

from runner.run_folder import done_tasks
from runner.scheduler.kept_weights import damage_in, retrain_wish, training_attempts
from runner.scheduler.resolve import RefusedError
from schema.checks import given
from schema.site import Site
from schema.spec import Spec


class Bases:
    """The weights that trials begin from, looked up once per base."""

    def __init__(self, site: Site) -> None:
        self.site = site
        # Trial -> the file of what it deployed last
        self.files: dict[int, str] = {}

    def weights(self, spec: Spec) -> str | None:
        """Return what the trial that the backbone names deployed last; None for other backbones.

        Raises:
            RefusedError: its run folder is gone.
        """
        pretrained = spec.backbone["pretrained"] or ""
        if not pretrained.startswith("trial:"):
            return None
        trial = int(pretrained[6:])
        return self._file(trial)

    def given(self, spec: Spec) -> dict[str, str]:
        """Return `trial:7` -> the file of what it deployed, for what the tuning `given` takes.

        Raises:
            RefusedError: a trial has deployed nothing, or its run folder is gone.
        """
        # What is measured later needs what was deployed, and no checkpoint
        if spec.measures is not None or not given.is_given(spec.method):
            return {}
        files = {}
        for trial in given.trials(spec.method, spec.stream):
            try:
                files[f"trial:{trial}"] = self._file(trial)
            except RefusedError as error:
                raise RefusedError(
                    f"method {spec.method['name']!r} is given what trial {trial} deployed, and "
                    f"{self.site.runs / f'{trial:06d}'} holds no whole weights of it. Have it run, "
                    f"or trained again, to the same bits: {retrain_wish(trial)}. Then request a "
                    "retry of this trial"
                ) from error
        return files

    def _file(self, trial: int) -> str:
        """Return the file of what a trial deployed last, looked for once."""
        if trial not in self.files:
            self.files[trial] = deployed_weights(self.site, trial)
        return self.files[trial]


def deployed_weights(site: Site, trial: int) -> str:
    """Return the file of what a trial deployed last.

    Raises:
        RefusedError: its folder holds no weights.
    """
    trial_folder = site.runs / f"{trial:06d}"
    attempts = training_attempts(site, trial)
    newest = max(done_tasks(attempts), default=None)
    damage = ""
    for run in attempts:
        receipt = run.receipts().get(newest) if newest is not None else None
        deployed = receipt.weights.get("deployed") if receipt is not None else None
        # A changed byte of it would be another model under the same name
        if deployed is not None and run.holds(deployed):
            return str(run.path / deployed.file)
        damage += damage_in(run, receipt)
    raise RefusedError(
        f"the backbone is what trial {trial} deployed, but {trial_folder} holds no weights any "
        f"more.{damage} Put the folder back, or have it trained again, to the same bits: "
        f"{retrain_wish(trial)}. Then request a retry of this trial"
    )
