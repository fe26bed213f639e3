"""The models that trials begin from where a backbone is `trial:<id>`: what another trial of the catalog deployed last."""

from runner.run_folder import RunFolder, done_tasks
from runner.scheduler.resolve import RefusedError
from schema.site import Site
from schema.spec import Spec


class Bases:
    """The weights that trials begin from, looked up once per base."""

    def __init__(self, site: Site) -> None:
        self.site, self.found = site, dict[int, str]()

    def weights(self, spec: Spec) -> str | None:
        """What the trial that the backbone names deployed last; None for other backbones.

        Raises:
            RefusedError: its run folder is gone.
        """
        pretrained = spec.backbone["pretrained"] or ""
        if not pretrained.startswith("trial:"):
            return None
        trial = int(pretrained[6:])
        if trial not in self.found:
            self.found[trial] = deployed_weights(self.site, trial)
        return self.found[trial]


def deployed_weights(site: Site, trial: int) -> str:
    """The file of what a trial deployed last.

    Raises:
        RefusedError: its folder holds no weights.
    """
    trial_folder = site.runs / f"{trial:06d}"
    attempts = sorted(
        (p for p in trial_folder.glob("[0-9]*")), key=lambda p: int(p.name), reverse=True
    )
    tasks = done_tasks([RunFolder(p) for p in attempts])
    if tasks:
        run, receipt = tasks[max(tasks)]
        path = run.path / str(receipt["weights"]["deployed"]["file"])
        if path.exists():
            return str(path)
    raise RefusedError(
        f"the backbone is what trial {trial} deployed, but {trial_folder} holds no weights any more. Put the folder back "
        "and request a retry of this trial, or insert the base with another seed and a backbone that names that trial"
    )
