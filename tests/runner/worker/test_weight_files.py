"""Weights that people have: Hugging Face folders, adapters, wrapped names, and what is none."""

import json
import logging
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

from runner.worker.backbone import (
    ArchitectureError,
    Backbone,
    WeightsError,
    build,
    load,
    preprocessing_of,
)
from schema.__main__ import ROWS

WIDTH, LAYERS, IMAGE_PX, CONTEXT, VOCABULARY = 64, 2, 16, 8, 100
TINY = {
    "embed_dim": 24,
    "quick_gelu": True,
    "vision_cfg": {"image_size": IMAGE_PX, "patch_size": 8, "width": WIDTH, "layers": LAYERS,
                   "head_width": 32},
    "text_cfg": {"context_length": CONTEXT, "vocab_size": VOCABULARY, "width": WIDTH,
                 "heads": 2, "layers": LAYERS},
}  # fmt: skip
TOWER = {
    "hidden_size": WIDTH,
    "intermediate_size": 4 * WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
}


@pytest.fixture(scope="module")
def theirs() -> CLIPModel:
    """A CLIP of transformers with random weights."""
    torch.manual_seed(3)
    config = CLIPConfig(
        vision_config=TOWER | {"image_size": IMAGE_PX, "patch_size": 8},
        text_config=TOWER
        | {"vocab_size": VOCABULARY, "max_position_embeddings": CONTEXT, "eos_token_id": 99},
        projection_dim=24,
    )
    return CLIPModel(config).eval()


@pytest.fixture
def folder(tmp_path: Path, theirs: CLIPModel) -> Path:
    """What `save_pretrained` writes of it, with the preprocessing of another normalisation."""
    place = tmp_path / "a clip"
    theirs.save_pretrained(place)
    said = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.2, 0.3], "resample": 2}
    (place / "preprocessor_config.json").write_text(json.dumps(said))
    return place


def row(pretrained: str | None, architecture: Any = TINY, **more: Any) -> dict[str, Any]:
    text = architecture if isinstance(architecture, str) else json.dumps(architecture)
    return {"name": "mine", "architecture": text, "pretrained": pretrained} | more


def pixels() -> Tensor:
    return torch.randn(3, 3, IMAGE_PX, IMAGE_PX, generator=torch.Generator().manual_seed(1))


def tokens() -> Tensor:
    """Token ids whose highest, the last word of transformers' CLIP, ends each text."""
    ids = torch.randint(1, 98, (3, CONTEXT), generator=torch.Generator().manual_seed(2))
    ids[:, -1] = 99
    return ids


def same_embeddings(backbone: Backbone, model: Any) -> None:
    """Assert that both towers compute what those of transformers do."""
    with torch.no_grad():
        images = model.get_image_features(pixel_values=pixels())
        texts = model.get_text_features(input_ids=tokens())
        # Newer versions return an output object whose pooled part is the projection
        images = getattr(images, "pooler_output", images)
        texts = getattr(texts, "pooler_output", texts)
        assert torch.allclose(backbone.model.encode_image(pixels()), images, atol=1e-5)
        assert torch.allclose(backbone.model.encode_text(tokens()), texts, atol=1e-5)


def test_a_folder_of_a_clip_of_transformers(folder: Path, theirs: CLIPModel) -> None:
    backbone = load(row(str(folder)), None, 0)
    same_embeddings(backbone, theirs)
    assert backbone.preprocessing.mean == (0.4, 0.5, 0.6)
    assert backbone.preprocessing.interpolation == "bilinear"


def test_a_folder_whose_weights_are_in_several_files(folder: Path, theirs: CLIPModel) -> None:
    (folder / "model.safetensors").unlink()
    theirs.save_pretrained(folder, max_shard_size="100KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    same_embeddings(load(row(str(folder)), None, 0), theirs)


def test_a_state_dict_of_transformers_in_a_file(theirs: CLIPModel, tmp_path: Path) -> None:
    torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    same_embeddings(load(row(str(tmp_path / "pytorch_model.bin")), None, 0), theirs)


@pytest.mark.slow
def test_a_siglip_of_transformers(tmp_path: Path) -> None:
    """open_clip takes its image tower from timm, where names differ and the pooling is split."""
    torch.manual_seed(4)
    tower = TOWER | {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12}
    config = SiglipConfig(
        vision_config=tower | {"image_size": 224, "patch_size": 16, "num_hidden_layers": 12},
        text_config=tower
        | {"vocab_size": VOCABULARY, "max_position_embeddings": 64, "num_hidden_layers": 2},
    )
    theirs = SiglipModel(config).eval()
    theirs.save_pretrained(tmp_path)
    architecture = open_clip.get_model_config("ViT-B-16-SigLIP")
    del architecture["text_cfg"]["hf_tokenizer_name"]
    architecture["text_cfg"] |= {"vocab_size": VOCABULARY, "layers": 2}
    architecture["text_cfg"]["act_kwargs"] = {"approximate": "tanh"}
    backbone = load(row(str(tmp_path), architecture), None, 0)
    images = torch.randn(2, 3, 224, 224)
    ids = torch.randint(0, VOCABULARY, (2, 64))
    with torch.no_grad():
        image = theirs.get_image_features(pixel_values=images)
        text = theirs.get_text_features(input_ids=ids)
        image = getattr(image, "pooler_output", image)
        text = getattr(text, "pooler_output", text)
        assert torch.allclose(backbone.model.encode_text(ids), text, atol=1e-4)
        # timm's GELU is exact where transformers' is its tanh approximation
        assert torch.allclose(backbone.model.encode_image(images), image, atol=2e-2)
    assert backbone.model.logit_bias.item() == pytest.approx(theirs.logit_bias.item())


# peft looks for the base on the hub, and asks transformers for a property by its older name
@pytest.mark.filterwarnings("ignore")
def test_an_adapter_of_peft_is_added_to_its_base(
    folder: Path, theirs: CLIPModel, tmp_path: Path
) -> None:
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "fc1"])
    copy = CLIPModel.from_pretrained(folder)
    adapted = get_peft_model(copy, config)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    adapted.peft_config["default"].base_model_name_or_path = "../a clip"
    adapted.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    backbone = load(row(str(tmp_path / "adapter")), None, 0)
    same_embeddings(backbone, adapted.merge_and_unload().eval())
    assert backbone.preprocessing.mean == (0.4, 0.5, 0.6), "that of its base"


@pytest.mark.filterwarnings("ignore")
def test_an_adapter_without_its_base_says_where_to_name_it(folder: Path, tmp_path: Path) -> None:
    config = LoraConfig(r=2, target_modules=["q_proj"])
    adapted = get_peft_model(CLIPModel.from_pretrained(folder), config)
    adapted.peft_config["default"].base_model_name_or_path = "somebody/gone"
    adapted.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    sentence = r"its base 'somebody/gone' is not there\. Set base_model_name_or_path in .*adapter"
    with pytest.raises(ArchitectureError, match=sentence):
        load(row(str(tmp_path / "adapter")), None, 0)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_wrapped_names_are_unwrapped(tmp_path: Path, prefix: str) -> None:
    own = build(json.dumps(TINY), 1).model.state_dict()
    torch.save({f"{prefix}{name}": tensor for name, tensor in own.items()}, tmp_path / "w.pt")
    read = load(row(str(tmp_path / "w.pt")), None, 0).model.state_dict()
    assert all(torch.equal(read[name], tensor) for name, tensor in own.items())


def test_a_relative_path_starts_at_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the working folder of a job is."""
    (tmp_path / "weights").mkdir()
    own = build(json.dumps(TINY), 1).model.state_dict()
    save_file({n: t.contiguous() for n, t in own.items()}, tmp_path / "weights/w.safetensors")
    monkeypatch.chdir("/")
    read = load(row("weights/w.safetensors"), None, 0, tmp_path).model.state_dict()
    assert all(torch.equal(read[name], tensor) for name, tensor in own.items())
    with pytest.raises(WeightsError, match=f"no weights at {tmp_path}/weights/v.safetensors"):
        load(row("weights/v.safetensors"), None, 0, tmp_path)


@pytest.mark.parametrize("named", ["architecture", "configuration"])
def test_a_folder_of_open_clip_is_taken_as_it_is(tmp_path: Path, named: str) -> None:
    """`local-dir:`, or the text of its open_clip_config.json; its images are seen as it says."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    images = {"mean": [0.5] * 3, "std": [0.25] * 3, "resize_mode": "squash", "size": 16}
    whole = json.dumps({"model_cfg": TINY, "preprocess_cfg": images})
    (folder / "open_clip_config.json").write_text(whole)
    own = build(json.dumps(TINY), 1).model.state_dict()
    tensors = {name: tensor.contiguous() for name, tensor in own.items()}
    save_file(tensors, folder / "open_clip_model.safetensors")
    if named == "architecture":
        backbone = load(row(None, "local-dir:theirs"), None, 0, tmp_path)
    else:
        backbone = load(row("theirs", whole), None, 0, tmp_path)
    read = backbone.model.state_dict()
    assert all(torch.equal(read[name], tensor) for name, tensor in own.items())
    assert backbone.preprocessing.resize_mode == "squash"
    assert backbone.std.flatten().tolist() == [0.25] * 3
    reference, _, _ = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    with torch.no_grad():
        assert torch.equal(reference.encode_image(pixels()), backbone.model.encode_image(pixels()))


def test_weights_with_a_bias_need_an_architecture_that_has_one(tmp_path: Path) -> None:
    own = build(json.dumps(TINY | {"init_logit_bias": -10}), 1).model.state_dict()
    torch.save(own, tmp_path / "sigmoid.pt")
    sentence = r'have a logit_bias.*sigmoid loss.*"init_logit_bias": -10 into its configuration'
    with pytest.raises(ArchitectureError, match=sentence):
        load(row(str(tmp_path / "sigmoid.pt")), None, 0)


def test_what_is_adapted_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A missing bias begins at 0, positions of another image size are interpolated."""
    torch.save(build(json.dumps(TINY), 1).model.state_dict(), tmp_path / "w.pt")
    larger = json.loads(json.dumps(TINY))
    larger["vision_cfg"]["image_size"] = 32
    larger["init_logit_bias"] = -10
    with caplog.at_level(logging.WARNING):
        backbone = load(row(str(tmp_path / "w.pt"), larger), None, 0)
    assert "no logit_bias, which begins at 0" in caplog.text
    assert "visual.positional_embedding was interpolated from 5 to 17 rows" in caplog.text
    assert backbone.model.logit_bias.item() == 0


def test_an_activation_that_differs_is_refused(folder: Path) -> None:
    plain = {key: value for key, value in TINY.items() if key != "quick_gelu"}
    sentence = r'was trained with QuickGELU, and .* computes GELU\. Name .*"quick_gelu": true'
    with pytest.raises(ArchitectureError, match=sentence):
        load(row(str(folder), plain), None, 0)
    sentence = r"'openai' was trained with QuickGELU, and ViT-B-32 computes GELU\. Name the "
    with pytest.raises(ArchitectureError, match=sentence + "architecture 'ViT-B-32-quickgelu'"):
        load(row("openai", "ViT-B-32"), None, 0)


def _write_torchscript(path: Path) -> None:
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)


def _write_optimizer(path: Path) -> None:
    layer = torch.nn.Linear(2, 2)
    torch.save(torch.optim.AdamW(layer.parameters()).state_dict(), path)


def _write_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "not weights")


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 605\n"
OTHERS = {
    "empty": ("w.pt", lambda path: path.write_bytes(b""), "is empty. Copy or download it again"),
    "lfs": ("w.safetensors", lambda path: path.write_bytes(LFS), "pointer of Git LFS"),
    "page": ("w.pt", lambda path: path.write_bytes(b"<!DOCTYPE html><p>"), "is a web page"),
    "npy": ("w.npy", lambda path: np.save(path, np.zeros(3)), "holds NumPy arrays"),
    "npz": ("w.npz", lambda path: np.savez(path, a=np.zeros(3)), "holds NumPy arrays"),
    "torchscript": ("w.pt", _write_torchscript, "is a TorchScript archive, which is code"),
    "optimizer": ("w.pt", _write_optimizer, "is the state of an optimizer, not of a model"),
    "zip": ("w.pt", _write_zip, "cannot be read as what torch.save writes"),
    "text": ("w.pt", lambda path: path.write_text("hello"), "cannot be read|more than weights"),
    "tensor": ("w.pt", lambda path: torch.save(torch.zeros(3), path), "is one tensor"),
    "list": ("w.pt", lambda path: torch.save([1, 2], path), "holds a list, not the weights"),
    "numbers": ("w.pt", lambda path: torch.save({"a": 1}, path), "no tensors under a"),
    "torn": ("w.safetensors", lambda path: path.write_bytes(b"\x40" + b"\0" * 20), "no whole safe"),
    "folder": ("w", lambda path: path.mkdir(), "is a folder without open_clip_config.json"),
}


@pytest.mark.filterwarnings("ignore:`torch.jit.s:FutureWarning")
@pytest.mark.parametrize("kind", OTHERS)
def test_each_other_thing_is_named_for_what_it_is(tmp_path: Path, kind: str) -> None:
    name, write, sentence = OTHERS[kind]
    write(tmp_path / name)  # type: ignore[operator]
    with pytest.raises(ArchitectureError, match=f"backbone 'mine': .*{sentence}"):
        load(row(str(tmp_path / name)), None, 0)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ('{"model_type": "bert"}', "of a model of type 'bert'; a backbone is one of clip, siglip"),
        ("{", "is no JSON"),
        ("[]", "holds no JSON object"),
        ("[" * 100_000, "is no JSON"),
        ('{"model_type": "clip"}', "has a configuration but no weights"),
    ],
)
def test_a_folder_of_something_else(tmp_path: Path, config: str, sentence: str) -> None:
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ArchitectureError, match=sentence):
        load(row(str(tmp_path)), None, 0)


def test_another_architecture_is_named_by_its_first_tensors(tmp_path: Path) -> None:
    deeper = json.loads(json.dumps(TINY))
    deeper["vision_cfg"]["layers"] = 3
    torch.save(build(json.dumps(deeper), 1).model.state_dict(), tmp_path / "deep.pt")
    sentence = (
        r"unknown to it visual\.transformer\.resblocks\.2\..* and 9 more\. Name the architecture"
    )
    with pytest.raises(ArchitectureError, match=sentence):
        load(row(str(tmp_path / "deep.pt")), None, 0)


def test_the_normalisation_passes_from_trial_to_trial(tmp_path: Path) -> None:
    """A child sees what its parent wrote beside its weights, unless its own row says otherwise."""
    own = build(json.dumps(TINY), 1).model.state_dict()
    tensors = {name: tensor.contiguous() for name, tensor in own.items()}
    deployed = tmp_path / "task-0001.deployed.safetensors"
    save_file(tensors, deployed)
    before = load(row("trial:3"), str(deployed), 0)
    assert before.preprocessing.mean == (0.5, 0.5, 0.5), "the version before wrote nothing"
    written = json.dumps({"std": [0.25] * 3, "resize_mode": "squash"})
    save_file(tensors, deployed, {"preprocessing": written})
    child = load(row("trial:3"), str(deployed), 0)
    assert child.std.flatten().tolist() == [0.25] * 3
    assert child.preprocessing.resize_mode == "squash"
    other = load(row("trial:3", preprocessing={"resize_mode": "shortest"}), str(deployed), 0)
    assert other.preprocessing.resize_mode == "shortest"


def test_every_tag_of_open_clip_is_preprocessed_as_open_clip_does() -> None:
    """Mean, std, interpolation and resize mode of each tag are those of its transform."""
    for architecture, tag in open_clip.list_pretrained():
        if architecture.startswith("coca_"):
            continue
        ours = preprocessing_of(row(tag, architecture))
        config = open_clip.get_pretrained_cfg(architecture, tag)
        merged = open_clip.transform.merge_preprocess_dict(
            open_clip.transform.PreprocessCfg(), config
        )
        assert (ours.mean, ours.std) == (tuple(merged["mean"]), tuple(merged["std"]))
        assert ours.resize_mode == merged["resize_mode"]
        assert ours.interpolation == merged["interpolation"]


def test_the_catalog_knows_what_open_clips_tags_say_of_images() -> None:
    """Every tag whose images are not prepared as OpenAI's has a row, and no other has one."""
    rows = re.findall(
        r"\('([^']+)', '([^']+)',\s*'(\{[^']*\})'\)", (ROWS / "pretrained_tags.sql").read_text()
    )
    written = {(architecture, tag): json.loads(text) for architecture, tag, text in rows}
    default = open_clip.transform.PreprocessCfg()
    expected = {}
    for architecture, tag in open_clip.list_pretrained():
        config = open_clip.get_pretrained_cfg(architecture, tag)
        other = {
            key: list(config[key]) if isinstance(config[key], tuple) else config[key]
            for key in ("mean", "std", "interpolation", "resize_mode")
            if key in config and config[key] != getattr(default, key)
        }
        if other:
            expected[architecture, tag] = other
    assert written == expected
