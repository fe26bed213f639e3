"""Exported models, loaded by open_clip and by transformers in a process that has nothing of Weir: the embeddings are those of the trial."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tokenizers import Tokenizer

from runner.model_export import ModelExport
from runner.worker import backbone as backbones
from runner.worker import checkpoint
from runner.worker.backbone import ArchitectureError, Backbone
from runner.worker.export import write
from runner.worker.export_adapter import NoAdapterError, pairs
from runner.worker.export_hugging_face import (
    NoEquivalentError,
    _refuse_others,
    named_for_transformers,
)
from runner.worker.export_tokenizer import word_tokenizer
from runner.worker.tokenizer import WordTokenizer
from runner.worker.weight_preprocessing import PREPROCESSING
from schema.__main__ import ROWS
from schema.spec import Spec
from streams.pictures import pixels

# A process that has nothing of Weir: it runs each script in a fork of its own, after the imports at
# the script's beginning, which so are paid once
LOADERS = """
import json, os, sys, traceback
for line in sys.stdin:
    script, arguments, log = json.loads(line)
    lines = script.splitlines()
    exec("\\n".join(line for line in lines if line.startswith(("import ", "from "))), {})
    child = os.fork()
    if not child:
        code = 1
        try:
            sys.argv[1:] = arguments
            exec(script, {})
            code = 0
        except BaseException:
            with open(log, "w") as file:
                traceback.print_exc(file=file)
        finally:
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
SIGLIP_TOWER = "vit_base_patch16_siglip_224"
WORDS = ["a", "blue", "circle", "of", "photo", "red", "square", "zim"]
PLAIN: dict[str, Any] = {
    "embed_dim": 24,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 64, "layers": 2, "head_width": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
OF_WORDS = PLAIN | {
    "quick_gelu": False,
    "words": WORDS,
    "position_std": 0.5,
    "text_cfg": {"context_length": 8, "width": 64, "heads": 2, "layers": 2, "mlp_ratio": 2.0},
}
TEXTS = [
    "a photo of a red circle",
    "A  Blue-square!",
    "nothing known: ZIM's zürich",
    "",
    "a photo of a blue square of a red circle of a blue circle",
    "an <|endoftext|> of words",
]
OPEN_CLIP = """
import sys, numpy, open_clip, torch
from PIL import Image
folder, picture, texts, out = sys.argv[1], sys.argv[2], sys.argv[4:], sys.argv[3]
model, _, preprocess = open_clip.create_model_and_transforms("local-dir:" + folder)
tokenizer = open_clip.get_tokenizer("local-dir:" + folder)
model.eval()
with torch.no_grad():
    images = model.encode_image(preprocess(Image.open(picture))[None], normalize=True)
    sentences = model.encode_text(tokenizer(texts), normalize=True)
assert not any(name.partition(".")[0] in ("runner", "schema") for name in sys.modules)
numpy.savez(out, images=images.numpy(), texts=sentences.numpy())
"""
SIGLIP = """
import sys, numpy, torch
from PIL import Image
from transformers import SiglipModel, SiglipProcessor
folder, picture, texts, out = sys.argv[1], sys.argv[2], sys.argv[4:], sys.argv[3]
model, processor = SiglipModel.from_pretrained(folder).eval(), SiglipProcessor.from_pretrained(folder)
inputs = processor(text=texts, images=Image.open(picture), return_tensors="pt", padding="max_length",
                   truncation=True)
assert set(inputs) == {"input_ids", "pixel_values"}
with torch.no_grad():
    answer = model(**inputs)
assert not any(name.partition(".")[0] in ("runner", "schema") for name in sys.modules)
numpy.savez(out, images=answer.image_embeds.numpy(), texts=answer.text_embeds.numpy(),
            pairs=answer.logits_per_image.numpy())
"""
# What was learned is added by peft to the untouched model of another folder
PEFT = """
import sys, numpy, torch
from PIL import Image
from peft import PeftModel
from transformers import CLIPModel, CLIPProcessor
folder, picture, texts, out = sys.argv[1], sys.argv[2], sys.argv[4:], sys.argv[3]
base = CLIPModel.from_pretrained(folder + "/base")
model = PeftModel.from_pretrained(base, folder + "/adapter").eval()
processor = CLIPProcessor.from_pretrained(folder + "/base")
inputs = processor(text=texts, images=Image.open(picture), return_tensors="pt", padding="max_length",
                   truncation=True)
with torch.no_grad():
    answer = model(**inputs)
numpy.savez(out, images=answer.image_embeds.numpy(), texts=answer.text_embeds.numpy())
"""
TRANSFORMERS = """
import sys, numpy, torch
from PIL import Image
from transformers import CLIPModel, CLIPProcessor
folder, picture, texts, out = sys.argv[1], sys.argv[2], sys.argv[4:], sys.argv[3]
model, processor = CLIPModel.from_pretrained(folder).eval(), CLIPProcessor.from_pretrained(folder)
inputs = processor(text=texts, images=Image.open(picture), return_tensors="pt", padding="max_length",
                   truncation=True)
with torch.no_grad():
    answer = model(**inputs)
assert not any(name.partition(".")[0] in ("runner", "schema") for name in sys.modules)
numpy.savez(out, images=answer.image_embeds.numpy(), texts=answer.text_embeds.numpy())
"""


def siglip_architecture() -> dict[str, Any]:
    """That of ViT-B-16-SigLIP with a small tower of texts (`small_tower`), and words that are here."""
    config = open_clip.get_model_config("ViT-B-16-SigLIP")
    assert config["vision_cfg"]["timm_model_name"] == SIGLIP_TOWER
    del config["text_cfg"]["hf_tokenizer_name"], config["text_cfg"]["tokenizer_kwargs"]
    config["text_cfg"] |= {"context_length": 8, "vocab_size": len(WORDS) + 4}
    config["text_cfg"] |= {"width": 64, "heads": 2, "layers": 2}
    return config | {"embed_dim": 64, "words": WORDS}


@pytest.fixture
def small_tower(monkeypatch: pytest.MonkeyPatch) -> None:
    """timm's image tower of ViT-B-16-SigLIP, with two layers and a width of 64."""
    # Imported here, as few tests need it
    from timm.models import _registry

    entrypoints = _registry._model_entrypoints
    small = partial(entrypoints[SIGLIP_TOWER], embed_dim=64, depth=2, num_heads=2)
    monkeypatch.setitem(entrypoints, SIGLIP_TOWER, small)


def default_architecture() -> dict[str, Any]:
    """Return the configuration of the embedded default, as the vocabulary declares it."""
    text = (ROWS / "world.sql").read_text()
    start = text.index("VALUES ('tiny', '") + len("VALUES ('tiny', '")
    config: dict[str, Any] = json.loads(text[start : text.index("}'", start) + 1])
    return config


def spec_of(config: dict[str, Any], **more: Any) -> Spec:
    backbone = {"name": "mine", "architecture": json.dumps(config), "pretrained": None, **more}
    return Spec(backbone, {"tasks": 3}, {}, {}, {}, {}, seed=4)


def deployed(spec: Spec, folder: Path) -> Path:
    """Weights as a trial has deployed them: not those that the backbone begins with."""
    backbone = backbones.load(spec.backbone, None, spec.seed)
    weights = {name: tensor.cpu() for name, tensor in backbone.model.state_dict().items()}
    generator = torch.Generator().manual_seed(1)
    for name, tensor in weights.items():
        weights[name] = tensor + 0.05 * torch.randn(tensor.shape, generator=generator)
    path = folder / "task-0003.deployed.safetensors"
    checkpoint.save_weights(
        path, weights, {PREPROCESSING: json.dumps(vars(backbone.preprocessing))}
    )
    return path


def export_of(spec: Spec, tmp_path: Path, weights: Path | None) -> ModelExport:
    return ModelExport(
        trial=7,
        task=3 if weights else 0,
        spec=spec.to_json(),
        weights=str(weights) if weights else None,
        backbone_weights=None,
        data=str(tmp_path),
        folder=str(tmp_path / "a model's folder"),
        card="# card",
        repository="",
    )


def picture(tmp_path: Path, px: tuple[int, int]) -> Path:
    """A picture without sharp edges, which every way of resizing shows nearly alike."""
    rows, columns = np.mgrid[0 : px[1], 0 : px[0]] / 40
    colours = np.stack([np.sin(rows), np.cos(columns), np.sin(rows + columns)], axis=-1)
    path = tmp_path / "picture.png"
    Image.fromarray((127 + 120 * colours).astype(np.uint8)).save(path)
    return path


Loaders = subprocess.Popen[str]


@pytest.fixture(scope="module")
def loaders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaders]:
    """The process that loads exported models."""
    home = tmp_path_factory.mktemp("home")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "HF_HUB_OFFLINE": "1",
                   "OMP_NUM_THREADS": "1"}  # fmt: skip
    command = [sys.executable, "-c", LOADERS]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, cwd=home, **pipes) as process:  # type: ignore[call-overload]
        yield process
        # It ends with its input
        process.stdin.close()


def in_another_process(
    loaders: Loaders, script: str, folder: str, image: Path, out: Path
) -> dict[str, np.ndarray]:
    """Run a script in a process that has nothing of Weir, and return the embeddings that it writes."""
    assert loaders.stdin is not None and loaders.stdout is not None
    log = out.with_suffix(".log")
    request = [script, [folder, str(image), str(out), *TEXTS], str(log)]
    print(json.dumps(request), file=loaders.stdin, flush=True)
    code = loaders.stdout.readline().strip()
    assert code == "0", log.read_text()[-2000:] if log.exists() else f"exit code {code}"
    with np.load(out) as answer:
        return dict(answer)


def of_trial(spec: Spec, weights: Path) -> Backbone:
    """The backbone as the trial had it when it deployed the weights of a file."""
    backbone = backbones.load(spec.backbone, None, spec.seed)
    untouched = backbone.encode_texts(TEXTS)
    backbone.model.load_state_dict(load_file(weights))
    assert (backbone.encode_texts(TEXTS) - untouched).abs().max() > 1e-2
    return backbone


def ours(backbone: Backbone, image: Path) -> dict[str, np.ndarray]:
    """The embeddings that a trial measures with."""
    square = pixels(image.read_bytes(), backbone.image_px, preprocessing=backbone.preprocessing)
    images, texts = backbone.encode_images(square[None]), backbone.encode_texts(TEXTS)
    return {"images": images.cpu().numpy(), "texts": texts.cpu().numpy()}


CASES = {
    "default": (default_architecture(), {}),
    "words": (OF_WORDS, {"preprocessing": {"resize_mode": "squash", "interpolation": "bilinear"}}),
    "byte pairs": (PLAIN, {"preprocessing": {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.3]}}),
    "longest": (OF_WORDS, {"preprocessing": {"resize_mode": "longest", "fill_color": 90}}),
}


OTHERS = [pytest.param(case, marks=pytest.mark.slow) for case in CASES if case != "default"]


@pytest.mark.parametrize("case", ["default", *OTHERS])
def test_open_clip_loads_it_with_equal_embeddings(
    case: str, loaders: Loaders, tmp_path: Path
) -> None:
    config, more = CASES[case]
    spec = spec_of(config, **more)
    weights = deployed(spec, tmp_path)
    export = export_of(spec, tmp_path, weights)
    write(export)
    image = picture(tmp_path, (150, 120))
    theirs = in_another_process(loaders, OPEN_CLIP, export.folder, image, tmp_path / "out.npz")
    expected = ours(of_trial(spec, weights), image)
    for kind in ("images", "texts"):
        np.testing.assert_allclose(theirs[kind], expected[kind], rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["words", "byte pairs"])
def test_transformers_loads_it_with_equal_embeddings(
    case: str, loaders: Loaders, tmp_path: Path
) -> None:
    """The picture has the model's size: transformers resizes by torchvision, open_clip by Pillow."""
    config, more = CASES[case]
    spec = spec_of(config, **more)
    weights = deployed(spec, tmp_path)
    export = export_of(spec, tmp_path, weights)
    assert write(export) == ["open_clip", "transformers"]
    image = picture(tmp_path, (32, 32))
    theirs = in_another_process(loaders, TRANSFORMERS, export.folder, image, tmp_path / "out.npz")
    expected = ours(of_trial(spec, weights), image)
    for kind in ("images", "texts"):
        np.testing.assert_allclose(theirs[kind], expected[kind], rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("act", [None, {"approximate": "tanh"}])
def test_a_siglip_is_loaded_by_transformers_with_equal_embeddings(
    act: dict[str, str] | None, loaders: Loaders, small_tower: None, tmp_path: Path
) -> None:
    config = siglip_architecture()
    if act is not None:
        config["text_cfg"]["act_kwargs"] = act
    spec = spec_of(config, preprocessing={"resize_mode": "squash"})
    weights = deployed(spec, tmp_path)
    export = export_of(spec, tmp_path, weights)
    assert write(export) == ["open_clip", "transformers"]
    image = picture(tmp_path, (224, 224))
    theirs = in_another_process(loaders, SIGLIP, export.folder, image, tmp_path / "out.npz")
    backbone = of_trial(spec, weights)
    expected = ours(backbone, image)
    for kind in ("images", "texts"):
        np.testing.assert_allclose(theirs[kind], expected[kind], rtol=0, atol=1e-6)
    scale, bias = backbone.model.logit_scale.exp().item(), backbone.model.logit_bias.item()
    pairs = scale * expected["images"] @ expected["texts"].T + bias
    np.testing.assert_allclose(theirs["pairs"], pairs, rtol=1e-5, atol=1e-4)
    card = (Path(export.folder) / "README.md").read_text()
    assert "from transformers import SiglipModel, SiglipProcessor" in card
    assert 'padding="max_length"' in card


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"vision_cfg": {"timm_proj": "linear"}}, "nothing for timm_proj = 'linear'"),
        ({"text_cfg": {"no_causal_mask": False}}, "nothing for no_causal_mask = False"),
        ({"text_cfg": {"pool_type": "argmax"}}, "nothing for pool_type = 'argmax'"),
        ({"text_cfg": {"something_new": 1}}, "nothing for something_new = 1"),
        ({"text_cfg": {"proj_bias": None}}, "needs proj_bias, which it does not say"),
    ],
)  # fmt: skip
def test_what_is_no_siglip_of_transformers_is_told(change: dict[str, Any], words: str) -> None:
    config = siglip_architecture()
    for part, values in change.items():
        for key, value in values.items():
            config[part][key] = value
            if value is None:
                del config[part][key]
    with pytest.raises(NoEquivalentError, match=words):
        named_for_transformers(config, {})


def low_rank(spec: Spec, folder: Path, names: str, tasks: int = 3) -> Path:
    """Weights as a LoRA of rank 2 deploys them after some tasks: each is folded into the weight."""
    backbone = backbones.load(spec.backbone, None, spec.seed)
    weights = {name: tensor.cpu() for name, tensor in backbone.model.state_dict().items()}
    generator = torch.Generator().manual_seed(1)
    for _ in range(tasks):
        for name, tensor in weights.items():
            if re.search(names, name):
                rows, columns = tensor.shape
                up = 0.1 * torch.randn(rows, 2, generator=generator)
                weights[name] = tensor + up @ torch.randn(2, columns, generator=generator)
    path = folder / "task-0003.deployed.safetensors"
    checkpoint.save_weights(
        path, weights, {PREPROCESSING: json.dumps(vars(backbone.preprocessing))}
    )
    return path


# peft asks transformers for a property by its older name
@pytest.mark.slow
def test_what_a_lora_learned_is_an_adapter_of_peft(loaders: Loaders, tmp_path: Path) -> None:
    spec = replace(spec_of(PLAIN), method={"tuning": "lora"})
    weights = low_rank(spec, tmp_path, r"attn\.in_proj_weight|mlp\.c_proj\.weight")
    export = export_of(spec, tmp_path, weights)
    assert write(export) == ["open_clip", "transformers", "peft"]
    folder = Path(export.folder)
    config = json.loads((folder / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (6, 6)
    assert "as an adapter of peft of rank 6" in (folder / "README.md").read_text()
    assert write(replace(export, task=0, weights=None, folder=str(folder / "base"))) == [
        "open_clip",
        "transformers",
    ]
    assert not (folder / "base" / "adapter").exists()
    image = picture(tmp_path, (32, 32))
    theirs = in_another_process(loaders, PEFT, export.folder, image, tmp_path / "out.npz")
    expected = ours(of_trial(spec, weights), image)
    for kind in ("images", "texts"):
        np.testing.assert_allclose(theirs[kind], expected[kind], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ("in_proj_weight|token_embedding", "embedding.weight moved as well, which is no linear"),
        ("never", "nothing moved"),
    ],
)
def test_what_is_no_adapter_is_told(names: str, reason: str, tmp_path: Path) -> None:
    spec = replace(spec_of(OF_WORDS), method={"tuning": "lora"})
    export = export_of(spec, tmp_path, low_rank(spec, tmp_path, names))
    assert write(export) == ["open_clip", "transformers"]
    card = (Path(export.folder) / "README.md").read_text()
    assert "As an adapter of peft it cannot be had: " in card and reason in card


def test_a_difference_of_full_rank_is_no_adapter() -> None:
    before = {"a.q_proj.weight": torch.zeros(8, 8)}
    after = {"a.q_proj.weight": torch.randn(8, 8, generator=torch.Generator().manual_seed(0))}
    with pytest.raises(NoAdapterError, match="q_proj.weight moved by rank 8 of 8"):
        pairs(before, after)


@pytest.mark.parametrize("case", CASES)
def test_weir_takes_it_back_as_a_backbone(case: str, tmp_path: Path) -> None:
    config, more = CASES[case]
    spec = spec_of(config, **more)
    weights = deployed(spec, tmp_path)
    export = export_of(spec, tmp_path, weights)
    write(export)
    row = {"name": "again", "architecture": f"local-dir:{export.folder}", "pretrained": None}
    again = backbones.load(row, None, 0)
    before = of_trial(spec, weights)
    assert again.preprocessing == before.preprocessing
    assert torch.equal(again.tokenize(TEXTS), before.tokenize(TEXTS))
    assert torch.equal(again.encode_texts(TEXTS), before.encode_texts(TEXTS))


def test_a_folder_is_read_by_the_tokenizer_that_lies_in_it(tmp_path: Path) -> None:
    """Without the key of ours, as in a folder that somebody else has written."""
    spec = spec_of(OF_WORDS)
    export = export_of(spec, tmp_path, None)
    write(export)
    config = Path(export.folder) / "open_clip_config.json"
    written = json.loads(config.read_text())
    config.write_text(json.dumps({key: written[key] for key in ("model_cfg", "preprocess_cfg")}))
    row = {"name": "again", "architecture": f"local-dir:{export.folder}", "pretrained": None}
    again = backbones.load(row, None, 0)
    assert torch.equal(again.tokenize(TEXTS), WordTokenizer(WORDS, 8)(TEXTS))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (Path(export.folder) / name).unlink()
    with pytest.raises(
        ArchitectureError, match="names the tokenizer 'words', and its files cannot"
    ):
        backbones.load(row, None, 0)


def test_task_0_is_the_untouched_backbone(tmp_path: Path) -> None:
    spec = spec_of(OF_WORDS)
    export = export_of(spec, tmp_path, None)
    write(export)
    row = {"name": "again", "architecture": f"local-dir:{export.folder}", "pretrained": None}
    again, before = backbones.load(row, None, 0), backbones.load(spec.backbone, None, spec.seed)
    assert torch.equal(again.encode_texts(TEXTS), before.encode_texts(TEXTS))


def test_a_word_tokenizer_gives_the_same_ids_in_tokenizers() -> None:
    mine = WordTokenizer(WORDS, 8)
    theirs = Tokenizer.from_str(json.dumps(word_tokenizer(mine)))
    theirs.enable_truncation(8)
    theirs.enable_padding(length=8, pad_id=0, pad_token="<|padding|>")
    theirs.encode_special_tokens = True
    for text in [*TEXTS, "RED\tred\nRed", "blue_circle 12", "\u212a \u0130 \u00c9tude"]:
        assert theirs.encode(text).ids == mine([text])[0].tolist(), text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"vision_cfg": PLAIN["vision_cfg"] | {"pool_type": "avg"}}, "vision_cfg.pool_type = 'avg'"),
        ({"text_cfg": PLAIN["text_cfg"] | {"no_causal_mask": True}}, "no_causal_mask = True"),
        ({"vision_cfg": PLAIN["vision_cfg"] | {"layers": [1, 1, 1, 1]}}, "a ResNet"),
        ({"vision_cfg": PLAIN["vision_cfg"] | {"image_size": [32, 16]}}, "no squares"),
        ({"custom_text": True}, "custom_text = True"),
        ({"something_new": 1}, "something_new = 1"),
    ],
)  # fmt: skip
def test_what_transformers_computes_otherwise_has_no_checkpoint_of_it(
    change: dict[str, Any], words: str
) -> None:
    with pytest.raises(NoEquivalentError, match=words.replace(".", r"\.")):
        _refuse_others(PLAIN | change)


def test_the_card_says_how_it_is_loaded_and_why_not(tmp_path: Path) -> None:
    spec = spec_of(default_architecture())
    export = export_of(spec, tmp_path, deployed(spec, tmp_path))
    assert write(export) == ["open_clip"]
    folder = Path(export.folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md", "open_clip_config.json", "open_clip_model.safetensors", "spec.json",
        "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    card = (folder / "README.md").read_text()
    assert card.startswith("# card\n\n## How it is loaded")
    assert "no checkpoint: transformers' CLIP has nothing for vision_cfg.pool_type = 'avg'." in card
    assert Spec.read(folder) == spec


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    spec = spec_of(OF_WORDS)
    weights = deployed(spec, tmp_path)
    export = export_of(spec, tmp_path, weights)
    Path(export.folder).mkdir()
    (Path(export.folder) / "mine.txt").write_text("mine")
    with pytest.raises(OSError):
        write(export)
    assert [path.name for path in Path(export.folder).iterdir()] == ["mine.txt"]
    gone = replace(export, folder=str(tmp_path / "other"), weights=str(tmp_path / "gone"))
    with pytest.raises(OSError):
        write(gone)
    assert not list(tmp_path.glob(".*")) and not (tmp_path / "other").exists()
