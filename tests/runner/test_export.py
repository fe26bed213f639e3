"""The command `runner.export`: what it finds, what it refuses, and the model card that it writes."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from clip_benchmark.metrics import zeroshot_classification
from PIL import Image

from runner import export
from runner.run_files import TABLES, Assignment, FileEntry, Receipt, TableEntry
from runner.run_folder import RunFolder, attempt_folder, sha256, write_json
from runner.scheduler import kept_weights, model_card
from runner.scheduler.kept_weights import NotKeptError
from schema.site import Site
from schema.spec import Spec
from streams import open_pairs
from tests.filled import Filled
from tests.journey import LOCAL, ask, declare, settle, tell
from tests.processes import command

SPEC = Spec({"name": "tiny"}, {"tasks": 2}, {}, {}, {}, {}, seed=0)

SAME = """
import sys, open_clip, torch
from safetensors.torch import load_file
places, weights = sys.argv[1::2], sys.argv[2::2]
for place, file in zip(places, weights, strict=True):
    model, _, _ = open_clip.create_model_and_transforms("local-dir:" + place)
    deployed, state = load_file(file), model.state_dict()
    assert set(state) == set(deployed)
    assert all(torch.equal(state[name], deployed[name]) for name in state)
"""

MEASURED = """SELECT value FROM measured WHERE trial = {trial} AND task = 2
AND dataset = 'toy_blobs' AND metric = 'top1'"""


def accuracy_by_clip_benchmark(place: Path, site: Site) -> float:
    """The zero-shot accuracy of an exported model on the blobs, as the package finds it."""
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{place}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{place}")
    rows = {row["name"]: row for row in Spec.read(place).stream["datasets"]}
    row = rows["toy_blobs"]
    pairs = open_pairs(row, "test", site.data)
    pictures = []
    for image in pairs.images(np.arange(len(pairs))):
        pictures.append(preprocess(Image.fromarray(image.transpose(1, 2, 0))))
    batches = [(torch.stack(pictures), torch.from_numpy(pairs.labels))]
    templates = [template.replace("{}", "{c}") for template in row["templates"]]
    classes = zeroshot_classification.zero_shot_classifier(
        model.eval(), tokenizer, row["classes"], templates, "cpu", amp=False
    )
    logits, labels = zeroshot_classification.run_classification(
        model, classes, batches, "cpu", amp=False
    )
    return float((logits.argmax(dim=1) == labels).double().mean())


def done(site: Site, trial: int, tasks: int, attempt: int = 1) -> RunFolder:
    """A run folder in which tasks up to `tasks` are done; of the newest the weights are kept."""
    run = RunFolder(attempt_folder(site.runs, trial, attempt))
    assignment = Assignment(
        trial=trial, attempt=attempt, batch="batch", position=0, data="data", spec_id=SPEC.id
    )
    run.create(SPEC, assignment)
    for task in range(tasks + 1):
        files = {}
        for table in TABLES:
            path = run.path / f"task-{task:04d}.{table}.parquet"
            path.write_text(f"{table} {task}")
            files[table] = TableEntry(file=path.name, sha256=sha256(path), rows=0)
        weights = {}
        if task:
            path = run.path / f"task-{task:04d}.deployed.safetensors"
            path.write_text(f"weights of attempt {attempt} after {task}")
            weights["deployed"] = FileEntry(file=path.name, sha256=sha256(path))
            if task < tasks:
                path.unlink()
        receipt = Receipt(
            trial=trial, attempt=attempt, spec_id=SPEC.id, task=task, files=files, weights=weights
        )
        write_json(run.path / f"task-{task:04d}.json", asdict(receipt))
    return run


def test_the_last_task_is_found_in_whichever_attempt_has_it(site: Site) -> None:
    first, _ = done(site, 1, 2), done(site, 1, 1, attempt=2)
    kept = kept_weights.find(site, 1, None)
    assert (kept.task, kept.spec) == (2, SPEC)
    assert kept.weights == str(first.path / "task-0002.deployed.safetensors")
    # The second attempt is newer and kept what the first has removed
    kept = kept_weights.find(site, 1, 1)
    assert kept.weights is not None and Path(kept.weights).read_text() == (
        "weights of attempt 2 after 1"
    )
    assert kept_weights.find(site, 1, 0).weights is None


def test_what_is_not_kept_is_refused_with_what_to_do(site: Site) -> None:
    with pytest.raises(NotKeptError, match="trial 1 has finished no task yet.*runner.sync --watch"):
        kept_weights.find(site, 1, None)
    done(site, 1, 1)
    with pytest.raises(NotKeptError, match="has done 1 of its 2 tasks. --task 1 exports"):
        kept_weights.find(site, 1, None)
    with pytest.raises(NotKeptError, match="no task 2 that is done; it has done tasks 0 to 1 of 2"):
        kept_weights.find(site, 1, 2)
    run = done(site, 2, 2)
    with pytest.raises(
        NotKeptError, match="newest task, here 2, unless keep_weights in site.toml.* Leave --task"
    ):
        kept_weights.find(site, 2, 1)
    (run.path / "task-0002.deployed.safetensors").write_text("another model")
    with pytest.raises(NotKeptError, match="no longer as they were written. Put the file back"):
        kept_weights.find(site, 2, None)


def test_the_command_refuses_before_it_writes(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export.main(["1", "out"]) == 2
    assert "no catalog at" in capsys.readouterr().err
    filled = Filled(site.catalog)
    filled.trial()
    filled.connection.close()
    assert export.main(["2", "out"]) == 2
    assert "there is no trial 2 in the catalog" in capsys.readouterr().err
    (site.folder / "out").mkdir()
    assert export.main(["1", "out"]) == 2
    assert "trial 1 has finished no task yet" in capsys.readouterr().err
    run = done(site, 1, 1)
    (run.path / "spec.json").write_text("{}")
    assert export.main(["1", "out"]) == 2
    assert "spec.json is no definition" in capsys.readouterr().err
    (site.folder / "out" / "mine.txt").touch()
    assert export.main(["1", "out"]) == 2
    assert "is there already and is never overwritten" in capsys.readouterr().err
    assert export.main(["1", "2", "more"]) == 2
    for words, message in (
        (["more"], "name trials by their ids, or give a condition by --where"),
        (["1", "more", "--where", "true"], "name trials by their ids, or give a condition"),
        (["more", "--where", "seed ="], "--where is no condition on the columns of trial"),
        (["more", "--where", "true; DROP TABLE trial"], "--where is no condition"),
        (["more", "--where", "seed = 3"], "no trial fulfils 'seed = 3'. All trials: python"),
    ):
        capsys.readouterr()
        assert export.main(words) == 2
        assert message in capsys.readouterr().err
    assert not (site.folder / "more").exists()


def test_what_was_run_elsewhere_has_no_weights(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = Filled(site.catalog)
    filled.connection.execute("INSERT INTO method (name) VALUES ('finetune@fomo')")
    filled.trial(method="finetune@fomo", source="fomo")
    filled.connection.close()
    assert export.main(["1", "out"]) == 2
    assert "trial 1 was run elsewhere (fomo), and its results alone" in capsys.readouterr().err


def test_the_card_has_the_results_with_intervals(filled: Filled) -> None:
    """Birds over three seeds: 0.5, 0.7, 0.9, so 0.7 ± 4.3027 * 0.2 / sqrt(3) = 0.4968."""
    trials = []
    for seed, birds in enumerate([0.5, 0.7, 0.9]):
        start, end = [0.1, 0.2, 0.6, 0.6], [birds, 0.4, 0.5, 0.5]
        trials.append(filled.done([start, start, end], seed=seed))
    filled.connection.execute("UPDATE dataset SET license = 'CC|0' WHERE name = 'birds'")
    card = model_card.text(filled.connection, trials[0], 2, SPEC)
    assert (
        "| adapt | birds | top1 | all | 0.5000 | 0.1000 | 50 | 0.7000 ± 0.4968 (3 seeds) |" in card
    )
    assert "by the method **finetune**" in card and "from seed **0**" in card
    assert "| birds | learned from, measured on | CC\\|0 |" in card
    assert "| dogs | measured on | the catalog does not say |" in card
    assert (
        "INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed)\n"
        "VALUES ('tiny', 'world', 'plain', 'finetune', 'usual', 'small', 0);"
    ) in card
    assert card.startswith("---\nlibrary_name: open_clip\n")


def test_the_card_of_one_seed_has_no_interval(filled: Filled) -> None:
    trial = filled.done([[0.1, 0.2, 0.6, 0.6]] * 3)
    card = model_card.text(filled.connection, trial, 2, SPEC)
    assert "| adapt | birds | top1 | all | 0.1000 | 0.1000 | 50 |" in card
    assert "mean over seeds" not in card
    assert "untouched backbone, before the first task" in model_card.text(
        filled.connection, trial, 0, SPEC
    )
    other = filled.trial(seed=5)
    assert "has no results of this task yet" in model_card.text(filled.connection, other, 2, SPEC)


@pytest.mark.slow
def test_trials_are_exported_with_what_they_measured(folder: Path) -> None:
    """INSERT, sync, export: open_clip loads what the trial deployed; the card has its accuracy."""
    rule = '[study.toy]\nkeep_weights = "all"\n'
    site = declare(folder, f"{LOCAL}trials_per_job = 2\n{rule}")
    assert not settle(site).problems
    exported = command(folder, "runner.export", "models", "--where", "study = 'toy'")
    assert exported.returncode == 0, exported.stdout + exported.stderr
    exports = []
    for trial in (1, 2):
        place = folder / "models" / f"{trial:06d}"
        exports += [str(place), str(kept_weights.find(site, trial, None).weights)]
        assert json.loads((place / "spec.json").read_text())["seed"] == trial - 1
        card = (place / "README.md").read_text()
        assert "| adapt | toy_blobs | top1 |" in card and "(2 seeds)" in card
        ((value,),) = ask(site, MEASURED.format(trial=trial))
        assert accuracy_by_clip_benchmark(place, site) == pytest.approx(value)
    # ... and what an earlier task deployed, which this study keeps
    exported = command(folder, "runner.export", "1", "earlier", "--task", "1")
    assert exported.returncode == 0, exported.stdout + exported.stderr
    exports += ["earlier", str(kept_weights.find(site, 1, 1).weights)]
    # In a process that has nothing of Weir
    subprocess.run([sys.executable, "-c", SAME, *exports], check=True)
    # What an export has made is a backbone of other trials
    tell(
        site,
        "INSERT INTO backbone (name, architecture) VALUES "
        f"('exported', 'local-dir:{(folder / 'models' / '000001')!s}')".replace("lab's", "lab''s"),
    )
    tell(
        site,
        "INSERT INTO trial BY NAME SELECT * REPLACE ('exported' AS backbone) "
        "FROM (SELECT backbone, stream, mixture, method, recipe, budget, seed, study FROM trial "
        "WHERE id = 1)",
    )
    assert not settle(site).problems
    assert kept_weights.find(site, 3, None).task == 2
