"""What is said of trials that ran out of memory."""

from pathlib import Path

import pytest

from runner.scheduler.memory import advice, raised
from schema.site import Site
from tests.filled import Filled

RECIPES = """
INSERT INTO recipe (name, lr, batch_pairs, compute_params) VALUES
    ('chunks', 1e-3, 16, '{"chunk_pairs": 4, "checkpointing": true}'),
    ('again', 1e-3, 16, '{"checkpointing": true}'),
    ('smaller', 1e-3, 8, '{"chunk_pairs": 4}');
INSERT INTO profile (backbone, mixture, method, recipe, phase, flops, peak_bytes) VALUES
    ('tiny', 'plain', 'finetune', 'usual', 'train', 1, 30e9),
    ('tiny', 'plain', 'finetune', 'chunks', 'train', 1, 9e9),
    ('tiny', 'plain', 'finetune', 'again', 'train', 1, 20e9),
    ('tiny', 'plain', 'finetune', 'smaller', 'train', 1, 1e9);
"""


def site_of(folder: Path, text: str) -> Site:
    (folder / "site.toml").write_text(text)
    return Site.load(folder)


def test_what_fits_by_the_profile(tmp_path: Path) -> None:
    filled = Filled()
    trial = filled.trial()
    anywhere = site_of(tmp_path, "")
    assert "of no recipe it is known to fit: insert one with chunk_pairs" in advice(
        anywhere, filled.connection, trial
    )
    filled.connection.execute(RECIPES)
    again = "checkpointing True (20.00 GB, as in recipe 'again')"
    chunks = "chunk_pairs 4, checkpointing True (9.00 GB, as in recipe 'chunks')"
    # Another number of pairs is another experiment
    assert f"compute_params of {again} or of {chunks}; insert" in advice(
        anywhere, filled.connection, trial
    )
    small = site_of(tmp_path, "gpu_memory_gb = 12\n")
    assert f"compute_params of {chunks}; insert" in advice(small, filled.connection, trial)


def test_advice_does_not_tell_failures_apart() -> None:
    filled = Filled()
    for seed, words in enumerate(("; by the profile of no recipe", "; by the profile it would")):
        filled.attempt(
            filled.trial(seed=seed), 1, "failed", kind="oom_gpu", message=f"out of memory{words}"
        )
    (row,) = filled.rows("failures")
    assert (row["signature"], row["trials"]) == ("out of memory", 2)


@pytest.mark.parametrize(("text", "lines"), [("memory_gb_most = 15\n", 1), ("", 0)])
def test_trials_that_are_given_more_are_named(tmp_path: Path, text: str, lines: int) -> None:
    filled = Filled()
    for seed in range(2):
        trial = filled.trial(seed=seed)
        filled.attempt(trial, 1, "lost", kind="oom_host")
        filled.attempt(trial, 2, None)
    site = site_of(tmp_path, f"memory_gb = 8\n{text}")
    words = raised(site, filled.connection)
    assert len(words) == lines
    for line in words:
        assert line.startswith("trials 1, 2 of tiny ran out of the 8 GB of memory_gb and are given")
        assert "are given 12 GB now (at most 15, memory_gb_most)" in line
