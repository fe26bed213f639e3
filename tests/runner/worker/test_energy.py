"""Energy: NVML's counter where there is one, nothing where the machine cannot tell."""

import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch

from runner.worker import costs, energy
from runner.worker.costs import Ledger


class NVMLError(Exception):
    """As pynvml names it."""


def refuse(*_: object) -> None:
    raise NVMLError


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    energy._meter.cache_clear()
    yield
    energy._meter.cache_clear()


def nvml(monkeypatch: pytest.MonkeyPatch, **changed: object) -> list[str]:
    """A machine with a GPU whose counter says 1 J more at every look; which GPU was asked for."""
    asked: list[str] = []
    counter = iter(range(5_000, 10**9, 1_000))
    said = {
        "NVMLError": NVMLError,
        "nvmlInit": lambda: None,
        "nvmlDeviceGetHandleByUUID": asked.append,
    }
    said |= {"nvmlDeviceGetTotalEnergyConsumption": lambda _: next(counter)} | changed
    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(**said))  # type: ignore[arg-type]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid="12ab"))
    return asked


def test_the_counter_of_the_gpu_in_use_in_joules(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = nvml(monkeypatch)
    assert (energy.drawn_j(), energy.drawn_j()) == (6, 7) and asked == ["GPU-12ab"]


@pytest.mark.parametrize(
    "lacking", ["nvmlInit", "nvmlDeviceGetHandleByUUID", "nvmlDeviceGetTotalEnergyConsumption"]
)
def test_a_gpu_that_does_not_count(monkeypatch: pytest.MonkeyPatch, lacking: str) -> None:
    nvml(monkeypatch, **{lacking: refuse})
    assert energy.drawn_j() is None


def test_without_pynvml(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml(monkeypatch)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert energy.drawn_j() is None


def test_phases_add_up_what_was_drawn_in_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each phase 3 J a visit; one that nobody could measure is left out of sums."""
    readings = iter([0.0, 3.0, 10.0, 13.0, 20.0, 23.0])
    monkeypatch.setattr(costs, "drawn_j", lambda: next(readings))
    books, other = Ledger(), Ledger()
    for name in ("train", "train", "merge"):
        with books.timed(name):
            pass
    assert [row["energy_j"] for row in books.rows(1)] == [6, 3]
    monkeypatch.setattr(costs, "drawn_j", lambda: None)
    with other.timed("train"):
        pass
    assert other.rows(1)[0]["energy_j"] is None
    books.add(other)
    assert [row["energy_j"] for row in books.rows(1)] == [6, 3]
