"""Pretrained backbones: a real architecture of open_clip, from a checkpoint, from the hub's cache, and where neither is."""

import json
from collections.abc import Iterator
from pathlib import Path

import open_clip
import pytest
import torch
from huggingface_hub import constants as hub
from open_clip import pretrained
from safetensors.torch import save_file

from runner.worker.backbone import ArchitectureError, WeightsError, load

SMALL = "ViT-S-32-alt"  # the smallest of open_clip's own with its 49,408-word text tower
CONFIG = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
REPOSITORY, COMMIT = "somebody/ViT-S-32-alt", 40 * "a"


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return dict(open_clip.create_model(SMALL, pretrained=None).state_dict())


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache of the hub, offline, and a tag of an architecture that is in it once somebody has downloaded it."""
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setitem(
        pretrained._PRETRAINED,
        SMALL,
        {"ours": {"hf_hub": f"{REPOSITORY}/", "mean": (0.5,) * 3, "std": (0.25,) * 3}},
    )
    yield tmp_path / "hub"


def row(**words: str) -> dict[str, str]:
    return {"name": "mine", "architecture": SMALL, "pretrained": "ours"} | words


@pytest.mark.parametrize("kind", ["safetensors", "state_dict.pt", "epoch.pt"])
def test_a_checkpoint_of_a_real_architecture(
    weights: dict[str, torch.Tensor], tmp_path: Path, kind: str
) -> None:
    """As safetensors; as torch saves a state; as open_clip's own training writes it, of a model run on several GPUs."""
    path = tmp_path / f"weights.{kind}"
    if kind == "safetensors":
        save_file(weights, path)
    elif kind == "state_dict.pt":
        torch.save(weights, path)
    else:
        torch.save(
            {
                "epoch": 3,
                "name": "x",
                "state_dict": {f"module.{name}": one for name, one in weights.items()},
            },
            path,
        )
    made = load(row(pretrained=str(path)), None, 0)
    assert all(
        torch.equal(one.cpu(), weights[name]) for name, one in made.model.state_dict().items()
    )
    assert tuple(made.mean.flatten().tolist()) == pytest.approx(open_clip.OPENAI_DATASET_MEAN)
    assert made.model.visual.image_size == (224, 224) and made.tokenize(["a cat"]).shape == (1, 77)


def test_a_checkpoint_of_a_configuration_of_ones_own(tmp_path: Path) -> None:
    plain = load({"name": "mine", "architecture": json.dumps(CONFIG), "pretrained": None}, None, 3)  # type: ignore[dict-item]
    torch.save(plain.model.state_dict(), tmp_path / "own.pt")
    made = load(row(architecture=json.dumps(CONFIG), pretrained=str(tmp_path / "own.pt")), None, 0)
    assert all(
        torch.equal(one, plain.model.state_dict()[name])
        for name, one in made.model.state_dict().items()
    )


def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    class Command:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "ran",)  # type: ignore[return-value]

    torch.save({"state_dict": Command()}, tmp_path / "evil.pt")
    with pytest.raises(
        ArchitectureError,
        match=r"evil.pt holds more than weights, and nothing of it was run. Load it where you trust it",
    ):
        load(row(architecture=json.dumps(CONFIG), pretrained=str(tmp_path / "evil.pt")), None, 0)
    assert not (tmp_path / "ran").exists(), "nothing of it is run"
    save_file({"other": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(
        ArchitectureError,
        match="other.safetensors is no checkpoint of .*missing .*; unknown to it other",
    ):
        load(
            row(architecture=json.dumps(CONFIG), pretrained=str(tmp_path / "other.safetensors")),
            None,
            0,
        )


def test_a_tag_comes_from_the_hubs_cache_without_a_network(
    weights: dict[str, torch.Tensor], cache: Path
) -> None:
    folder = cache / f"models--{REPOSITORY.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    (folder / "snapshots" / COMMIT).mkdir(parents=True)
    save_file(weights, folder / "snapshots" / COMMIT / "open_clip_model.safetensors")
    made = load(row(), None, 0)
    assert all(
        torch.equal(one.cpu(), weights[name]) for name, one in made.model.state_dict().items()
    )
    assert made.mean.flatten().tolist() == [0.5, 0.5, 0.5] and made.std.flatten().tolist() == [
        0.25,
        0.25,
        0.25,
    ]


def test_a_tag_that_cannot_be_had_says_which_file_and_where_it_belongs(cache: Path) -> None:
    with pytest.raises(WeightsError) as refused:
        load(row(), None, 0)
    said = str(refused.value)
    assert (
        f"the weights of {SMALL} 'ours' cannot be had: open_clip_model.safetensors of {REPOSITORY} is not in {cache}"
        in said
    )
    assert (
        "HF_HUB_OFFLINE is set" in said
        and f"`hf download {REPOSITORY}` into the same folder" in said
    )


@pytest.mark.parametrize("name", ["gone.pt", "folder/gone"])
def test_a_path_where_nothing_is(name: str) -> None:
    with pytest.raises(
        WeightsError, match=f"backbone 'mine': no weights at /.*{name}. Put the checkpoint there"
    ):
        load(row(pretrained=name), None, 0)
