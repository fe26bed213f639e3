"""F37: any file of a lab damaged in any way; one attempt is the unit of failure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.backends import Look, Place
from runner.run_folder import RunFolder
from runner.scheduler.attempts import live_attempts
from runner.scheduler.observe import observe
from runner.scheduler.report import Report, below
from schema.catalog import Catalog
from tests.faults.damage import run
from tests.faults.stage import TASKS, expected
from tests.faults.wreck import (
    DAMAGES,
    SITUATIONS,
    Still,
    Wreck,
    a_folder,
    another_type,
    emptied,
    files_of,
    mended,
    unreadable,
)
from tests.journey import STANDING, Rows, ask

EACH = 12
# Files whose damage changes nothing that is known or that will happen, by situation
PASSED_OVER = ("alive", "log.txt", "progress.json", "doubt.json", "asked.json")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Wreck:
    return Wreck.build(tmp_path_factory.mktemp("whole"), EACH)


@dataclass
class Case:
    """One file, and how it was damaged."""

    trial: int
    role: str
    path: Path
    right: bytes
    how: str

    def __str__(self) -> str:
        return f"{self.role} {below(self.path)} {self.how}"


def damage(wreck: Wreck, dice: random.Random) -> list[Case]:
    """Damage one file of most attempts."""
    cases = []
    for trial, role in wreck.roles.items():
        if trial <= len(SITUATIONS):
            # Of each situation one stays as it is
            continue
        run = RunFolder(wreck.site.runs / f"{trial:06d}" / "01")
        path, how = dice.choice(files_of(run)), dice.choice(DAMAGES)
        other = wreck.site.runs / f"{dice.choice(sorted(wreck.roles)):06d}" / "01" / path.name
        cases.append(Case(trial, role, path, path.read_bytes(), how.__name__))
        how(path, dice, other)
    return cases


def states(wreck: Wreck) -> dict[int, str]:
    return dict(ask(wreck.site, "SELECT trial, state FROM trial_state"))


def unnamed(case: Case, report: Report) -> bool:
    """Whether a damage that still matters is not named."""
    name = case.path.name
    words = [f"{subject} {message}" for subject, message in report.problems]
    named = any(name in each and case.path.parent.name in each for each in words)
    intact = case.path.is_file() and not case.path.is_symlink()
    same = intact and case.path.read_bytes() == case.right
    if named or same or case.how == "removed":
        return False
    result = name.startswith("task-") and case.role not in ("ingested", "lost")
    if name.endswith(".parquet") or name.startswith("task-"):
        return result
    return name == "outcome.json" and case.role in ("finished", "failed")


def rounds(whole: Wreck, folder: Path, seed: int) -> int:
    """Damage, pass, mend, pass; how many cases that were."""
    dice, wreck = random.Random(seed), whole.copy(folder)
    cases = damage(wreck, dice)
    listed = "\n".join(map(str, cases))
    report = wreck.sync()
    after = states(wreck)
    control = {trial: after[trial] for trial in range(1, len(SITUATIONS) + 1)}
    assert control == UNDISTURBED, listed
    silent = [str(case) for case in cases if unnamed(case, report)]
    assert silent == [], f"{silent} {report.problems}"
    for case in cases:
        mended(case.path, case.right)
    for _ in range(3):
        report = wreck.sync()
    assert report.problems == [], listed
    after = states(wreck)
    for case in cases:
        if case.role in ("finished", "ingested"):
            assert after[case.trial] == "done", str(case)
        if case.role in ("queued", "running"):
            assert after[case.trial] in ("running", "pending"), str(case)
    held = results(wreck)
    done = [trial for trial, state in after.items() if state == "done"]
    assert held == expected_of(done), listed
    return len(cases)


UNDISTURBED = {
    trial: {
        "queued": "running",
        "running": "running",
        "finished": "done",
        "ingested": "done",
        "failed": "failed",
        "died": "pending",
        "withdrawn": "running",
        "lost": "pending",
        "refused": "running",
    }[role]
    for trial, role in enumerate(SITUATIONS, 1)
}


def results(wreck: Wreck) -> Rows:
    done = "SELECT DISTINCT trial FROM outcome WHERE state = 'done'"
    return ask(
        wreck.site,
        STANDING.replace("GROUP BY trial, task", f"WHERE trial IN ({done}) GROUP BY trial, task"),
    )


def expected_of(trials: list[int]) -> Rows:
    rows = expected([trial - 1 for trial in trials])
    assert len(rows) == len(trials) * len(TASKS)
    return rows


@pytest.mark.parametrize("seed", range(1))
def test_f37_any_file_is_damaged(whole: Wreck, tmp_path: Path, seed: int) -> None:
    """A pass goes on with all others, names the file, and heals when the file is right (I3, I4, I5,
    I16, I17).
    """
    assert rounds(whole, tmp_path / "lab", seed) >= 90


def test_f37_what_stays_damaged_does_not_hold_up_a_dead_attempt(
    whole: Wreck, tmp_path: Path
) -> None:
    """Nobody need mend its files for its trial to go on (I3, I17)."""
    wreck = whole.copy(tmp_path / "lab")
    # Their jobs have died since, too
    roles = {trial: "died" if role == "running" else role for trial, role in wreck.roles.items()}
    wreck = Wreck(wreck.site, roles, Still(wreck.site, roles))
    names = ("alive", "claim", "doubt.json", "verdict.json", "outcome.json")
    damages = (emptied, another_type, unreadable, a_folder)
    runs, dice = iter(wreck.runs("died")), random.Random(1)
    cases = {}
    for name in names:
        for how in damages:
            path = next(runs).path / name
            path.touch()
            how(path, dice, path)
            cases[int(path.parent.parent.name)] = f"{name} {how.__name__}"
    wreck.sync()
    wreck.sync()
    after = states(wreck)
    assert {case for trial, case in cases.items() if after[trial] != "pending"} == set()


@pytest.mark.slow
def test_f37_two_thousand_damages(tmp_path: Path) -> None:
    """The same, over all kinds of files and damages (I3, I4, I5, I16, I17)."""
    (tmp_path / "large").mkdir()
    # A pass costs hardly more with four times as many attempts
    large = Wreck.build(tmp_path / "large", 4 * EACH)
    cases, seed = 0, 100
    while cases < 2000:
        seed += 1
        cases += rounds(large, tmp_path / str(seed), seed)


@pytest.mark.slow
def test_f37_damages_and_kills_from_outside(tmp_path: Path) -> None:
    """While trials really run: each is done once, to the bit (I2, I3, I4, I5, I8)."""
    damage = run(rounds=15, seed=5, trials=4, pause_s=1.0, folder=tmp_path)
    assert damage.done.total() == 15


def test_what_was_given_up_is_not_asked_about_again(whole: Wreck, tmp_path: Path) -> None:
    """Its files are still read, its job is nobody's question, and it does not count as live."""
    wreck = whole.copy(tmp_path / "lab")
    lost = {trial for trial, role in wreck.roles.items() if role == "lost"}
    report = Report()
    with Catalog(wreck.site.catalog).open() as connection:
        attempts = live_attempts(wreck.site, connection, report)
    assert {live.trial for live in attempts if live.lost} == lost
    asked: list[int] = []
    look = wreck.still.look

    def watched(places: Sequence[Place]) -> Look:
        asked.extend(int(place.folder.parent.name) for place in places)
        return look(places)

    wreck.still.look = watched  # type: ignore[method-assign]
    left = observe(wreck.site, Catalog(wreck.site.catalog), wreck.still, report, attempts)
    assert asked and not lost & set(asked)
    assert left and not lost & {live.trial for live in left}
