"""`python -m runner.export TRIAL ... DIR`: take trained models away, as folders that others load.

DIR holds what the trial deployed after its last task (or after `--task N`; 0 is the untouched
backbone): a checkpoint of open_clip, one of Hugging Face's CLIP where the architecture has an
equivalent, preprocessing, tokenizer and a model card. Several trials, or those that `--where`
finds, get a folder each in DIR, named by the trial. A folder is written whole or not at all, and
one that exists is left as it is.
"""

import argparse
import sys
from pathlib import Path

import duckdb

from runner.model_export import ModelExport
from runner.records import DamagedFileError
from runner.scheduler import kept_weights, model_card
from runner.scheduler.kept_weights import NotKeptError
from schema import logs
from schema.catalog import Catalog, CatalogBusyError, CatalogMissingError
from schema.checks import places
from schema.site import Site, SiteError

WRITER = "runner.worker.export"


class ExportError(ValueError):
    """The models cannot be exported as they are asked for; the message says what to do."""


# What a person can mend, and is told without a traceback
EXPECTED = (
    SiteError,
    CatalogBusyError,
    CatalogMissingError,
    NotKeptError,
    DamagedFileError,
    ExportError,
    duckdb.IOException,
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit code is 0, or 2 with a message when a model cannot be exported."""
    options = _parser().parse_args(arguments)
    try:
        site = Site.load()
        exports = _exports(site, options)
    except EXPECTED as error:
        print(error, file=sys.stderr)
        return 2
    # In a process of the other half, which may open weights
    rows = [export.to_row() for export in exports]
    return 2 if places.child(WRITER, {"exports": rows}) else 0


def _exports(site: Site, options: argparse.Namespace) -> list[ModelExport]:
    """Return what the other half is told of each model.

    Raises:
        ExportError: no such trial, a folder that is there, or one repository for several models.
        NotKeptError: the weights are not there, or not yet.
        DamagedFileError: a run folder does not say what the trial ran.
    """
    catalog = Catalog(site.catalog, site.lock_wait_s)
    with catalog.open() as connection:
        trials = _trials(connection, options.trials, options.where)
        _check_here(connection, trials)
    apart = options.where is not None or len(trials) > 1
    _check_push(options.push, apart)
    folders = _folders(trials, options.folder.absolute(), apart)
    # While the catalog is closed, as the digests of large files take a while
    kept = {trial: kept_weights.find(site, trial, options.task) for trial in trials}
    exports = []
    with catalog.open() as connection:
        for trial, weights in kept.items():
            export = ModelExport(
                trial=trial,
                task=weights.task,
                spec=weights.spec.to_json(),
                weights=weights.weights,
                backbone_weights=weights.backbone_weights,
                data=str(site.data),
                folder=str(folders[trial]),
                card=model_card.text(connection, trial, weights.task, weights.spec),
                repository=options.push,
            )
            exports.append(export)
    return exports


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m runner.export",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    add = parser.add_argument
    add("trials", nargs="*", type=int, metavar="TRIAL", help="the id of a trial")
    add("folder", type=Path, metavar="DIR", help="a folder that does not exist yet, or is empty")
    add("--task", type=int, metavar="N", help="export what task N deployed; 0: the backbone")
    add("--where", metavar="SQL", help="the trials that a condition holds for: \"study = 'final'\"")
    add(
        "--push",
        default="",
        metavar="NAME",
        help="give the model to this repository of the Hugging Face hub, private where it is new",
    )
    return parser


def _check_push(repository: str, several: bool) -> None:
    """Refuse to push several models to one repository."""
    if repository and several:
        raise ExportError(
            f"--push {repository}: a repository of the hub holds one model. Export one trial at a "
            "time, or push the folders: hf upload NAME FOLDER"
        )


def _trials(
    connection: duckdb.DuckDBPyConnection, named: list[int], where: str | None
) -> list[int]:
    """Return the trials that are asked for, each once.

    Raises:
        ExportError: none is, one is not there, a condition is none, or no trial fulfils it.
    """
    if bool(named) == (where is not None):
        raise ExportError("name trials by their ids, or give a condition by --where")
    if where is None:
        known = {trial for (trial,) in connection.execute("SELECT id FROM trial").fetchall()}
        for trial in named:
            if trial not in known:
                raise ExportError(
                    f"there is no trial {trial} in the catalog. "
                    "All trials: python -m queries status"
                )
        return list(dict.fromkeys(named))
    try:
        # As a filter it can be nothing but a condition
        rows = connection.table("trial").filter(where).order("id").project("id").fetchall()
    except duckdb.Error as error:
        raise ExportError(f"--where is no condition on the columns of trial: {error}") from error
    if not rows:
        raise ExportError(f"no trial fulfils {where!r}. All trials: python -m queries status")
    return [trial for (trial,) in rows]


def _check_here(connection: duckdb.DuckDBPyConnection, trials: list[int]) -> None:
    """Refuse trials that were run elsewhere and imported, whose weights were never here."""
    elsewhere = connection.execute(
        "SELECT id, source FROM trial WHERE source IS NOT NULL ORDER BY id"
    ).fetchall()
    for trial, source in elsewhere:
        if trial in trials:
            raise ExportError(
                f"trial {trial} was run elsewhere ({source}), and its results alone were imported: "
                "its weights are not here. Leave it out, as by --where 'source IS NULL'"
            )


def _folders(trials: list[int], folder: Path, apart: bool) -> dict[int, Path]:
    """Return trial -> the folder that it is written to.

    apart: each trial has one of its own in `folder`.

    Raises:
        ExportError: something is there already.
    """
    folders = {}
    for trial in trials:
        folders[trial] = folder / f"{trial:06d}" if apart else folder
    for each in folders.values():
        if each.exists() and not (each.is_dir() and not any(each.iterdir())):
            raise ExportError(
                f"{each} is there already and is never overwritten. Name a folder that does not "
                "exist, or move it away"
            )
    return folders


if __name__ == "__main__":
    logs.configure()
    raise SystemExit(main())
