"""What lies at the place of a backbone's weights, read as tensors under open_clip's names.

A file may be safetensors, or what `torch.save` writes of a state dict, alone or with what a
training run keeps beside it. A folder may be open_clip's (`open_clip_config.json`), Hugging Face's
(`config.json` of a CLIP or SigLIP), or an adapter of peft's LoRA (`adapter_config.json`) whose base
is a folder or file too. Nothing that a file holds is run: pickles are read with `weights_only`.
"""

import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from runner.records import DamagedFileError
from runner.worker import hugging_face, tensor_files

# The order in which open_clip and transformers look for weights in a folder
WEIGHT_NAMES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "model.safetensors",
    "pytorch_model.bin",
)
INDEX = "model.safetensors.index.json"
OPEN_CLIP, HUGGING_FACE, ADAPTER = "open_clip_config.json", "config.json", "adapter_config.json"
# The key of an adapter's configuration that names its base
BASE = "base_model_name_or_path"
LFS_POINTER = b"version https://git-lfs"
PREFIXES = ("module.", "_orig_mod.")
# Where training scripts keep the state dict among other things
INSIDE = ("state_dict", "model", "model_state_dict")


class UnreadableWeightsError(ValueError):
    """What lies there holds no weights of a CLIP; says what it is and what to do."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """The tensors of a CLIP under open_clip's names, and what was said beside them.

    kind: what lies there, in words.
    quick_gelu: whether the activation is QuickGELU; None where nothing says so.
    """

    tensors: dict[str, Tensor]
    kind: str
    quick_gelu: bool | None = None


def read(path: Path, base: Callable[[str], Path | None]) -> Weights:
    """Read the weights at `path`, a file or a folder.

    base: finds the base that an adapter names; None where it is not there.

    Raises:
        UnreadableWeightsError: it is something else; the message names what.
        OSError: it cannot be read.
    """
    if path.is_dir():
        return _read_folder(path, base)
    tensors = _plain_names(_read_file(path))
    if hugging_face.is_named_so(tensors):
        return Weights(tensors=_renamed(path, tensors), kind="a state dict of transformers")
    return Weights(tensors=tensors, kind="a state dict of open_clip")


def folder_config(path: Path, name: str) -> dict[str, Any]:
    """Return the JSON object in a configuration file of a folder.

    Raises:
        UnreadableWeightsError: the file holds no JSON object.
    """
    try:
        config = json.loads((path / name).read_text())
    except (ValueError, RecursionError) as error:
        raise UnreadableWeightsError(f"{path / name} is no JSON: {error}") from error
    if not isinstance(config, dict):
        raise UnreadableWeightsError(f"{path / name} holds no JSON object")
    return config


def _read_folder(path: Path, base: Callable[[str], Path | None]) -> Weights:
    """Read a folder by the configuration that lies in it."""
    if (path / ADAPTER).exists():
        return _read_adapter(path, base)
    if (path / OPEN_CLIP).exists():
        config = folder_config(path, OPEN_CLIP)
        return Weights(
            tensors=_plain_names(_read_file(_weights_in(path))),
            kind="a folder of open_clip",
            quick_gelu=bool(config.get("model_cfg", {}).get("quick_gelu", False)),
        )
    if (path / HUGGING_FACE).exists():
        return _read_hugging_face(path)
    inside = ", ".join(sorted(file.name for file in path.iterdir())[:8]) or "nothing"
    raise UnreadableWeightsError(
        f"{path} is a folder without {OPEN_CLIP}, {HUGGING_FACE} or {ADAPTER}; it holds {inside}. "
        "Name the file of weights in it, or the folder that one of these lies in"
    )


def _read_hugging_face(path: Path) -> Weights:
    """Read a folder that `save_pretrained` of a CLIP or a SigLIP of transformers has written."""
    config = folder_config(path, HUGGING_FACE)
    model_type = config.get("model_type")
    if model_type not in (*hugging_face.MODEL_TYPES, hugging_face.IMAGE_TOWER):
        raise UnreadableWeightsError(
            f"{path / HUGGING_FACE} is of a model of type {model_type!r}; "
            f"a backbone is one of {', '.join(hugging_face.MODEL_TYPES)}"
        )
    default = "quick_gelu" if model_type.startswith("clip") else "gelu_pytorch_tanh"
    # Of an image tower by itself the configuration is that of the tower
    activation = config.get("vision_config", config).get("hidden_act", default)
    return Weights(
        tensors=_renamed(path, _hugging_face_tensors(path)),
        kind=f"a folder of a {model_type} of transformers",
        quick_gelu=activation == "quick_gelu",
    )


def _hugging_face_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a folder of transformers, also where they are in several files."""
    if not (path / INDEX).exists():
        return _plain_names(_read_file(_weights_in(path)))
    parts = sorted(set(folder_config(path, INDEX).get("weight_map", {}).values()))
    tensors: dict[str, Tensor] = {}
    for part in parts:
        tensors |= _read_file(path / part)
    return _plain_names(tensors)


def _weights_in(path: Path) -> Path:
    """Return the file of weights in a folder, by the order that open_clip has."""
    for name in WEIGHT_NAMES:
        if (path / name).exists():
            return path / name
    raise UnreadableWeightsError(
        f"{path} has a configuration but no weights: none of {', '.join(WEIGHT_NAMES)} is in it"
    )


def _read_adapter(path: Path, base: Callable[[str], Path | None]) -> Weights:
    """Read an adapter of peft's LoRA, added to the base that its configuration names."""
    config = folder_config(path, ADAPTER)
    place = base_of(config, base)
    if place is None:
        raise UnreadableWeightsError(
            f"{path} is an adapter of peft, and its base {config.get(BASE)!r} is not there. Set "
            f"base_model_name_or_path in {path / ADAPTER} to the folder or file of the base"
        )
    if config.get("peft_type") != "LORA" or config.get("use_dora"):
        raise UnreadableWeightsError(
            f"{path} is an adapter of type {config.get('peft_type')}; only plain LORA is added "
            "to a base here. Merge it with peft (merge_and_unload) and name the merged folder"
        )
    added = _with_adapter(path, _base_tensors(place), config)
    if hugging_face.is_named_so(added):
        added = _renamed(path, added)
    return Weights(tensors=added, kind=f"an adapter of peft on {place.name}")


def base_of(config: Mapping[str, Any], base: Callable[[str], Path | None]) -> Path | None:
    """Return where the base of an adapter of this configuration lies; None: it is not there."""
    name = config.get(BASE)
    return base(name) if isinstance(name, str) and name else None


def _base_tensors(place: Path) -> dict[str, Tensor]:
    """Return the tensors of an adapter's base, under the names that the adapter has them by."""
    if place.is_file():
        return _plain_names(_read_file(place))
    if (place / OPEN_CLIP).exists():
        return _plain_names(_read_file(_weights_in(place)))
    return _hugging_face_tensors(place)


def _with_adapter(
    path: Path, tensors: dict[str, Tensor], config: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Return the base with alpha / rank times B A added to each matrix that the adapter changes.

    Source: LoRA (https://arxiv.org/abs/2106.09685), equation 3; rsLoRA divides by the root of the
    rank (https://arxiv.org/abs/2312.03732).
    """
    file = path / "adapter_model.safetensors"
    if not file.exists():
        file = path / "adapter_model.bin"
    adapter = _read_file(file)
    result = dict(tensors)
    rank = config["r"]
    scale = config["lora_alpha"] / (rank**0.5 if config.get("use_rslora") else rank)
    for name, down in adapter.items():
        if not name.endswith(".lora_A.weight"):
            if name.endswith(".lora_B.weight"):
                continue
            raise UnreadableWeightsError(
                f"{file} has {name!r}, which is no LoRA matrix. Merge the adapter with peft "
                "(merge_and_unload) and name the merged folder"
            )
        module = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
        up = adapter[name.replace(".lora_A.", ".lora_B.")]
        target = f"{module}.weight"
        if target not in result:
            raise UnreadableWeightsError(f"{file} changes {target!r}, which its base does not have")
        change = scale * (up.float() @ down.float())
        result[target] = result[target] + change.to(result[target].dtype)
    return result


def _renamed(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors of transformers under open_clip's names."""
    try:
        return hugging_face.renamed(tensors)
    except hugging_face.NamesError as error:
        raise UnreadableWeightsError(f"{path}: {error}") from error


def _plain_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors without what wrappers put before and into their names."""
    names = list(tensors)
    plain = dict(tensors)
    for prefix in PREFIXES * 2:
        if names and all(name.startswith(prefix) for name in names):
            plain = {name.removeprefix(prefix): tensor for name, tensor in plain.items()}
            names = list(plain)
    return {name.replace("_orig_mod.", ""): tensor for name, tensor in plain.items()}


def _read_file(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name, after naming what it is if it is something else."""
    if not path.is_file():
        raise UnreadableWeightsError(f"{path} is not a file")
    with path.open("rb") as file:
        head = file.read(512)
    _refuse_other_kinds(path, head)
    if path.suffix == ".safetensors":
        try:
            return tensor_files.load(path)
        except DamagedFileError as error:
            raise UnreadableWeightsError(str(error)) from error
        except SafetensorError as error:
            raise UnreadableWeightsError(
                f"{path} is no whole safetensors file: {error}. Copy it again"
            ) from error
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise UnreadableWeightsError(
            f"{path} holds more than weights, and nothing of it was run. Load it where you trust "
            "it, and save the model's state_dict() alone"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UnreadableWeightsError(
            f"{path} cannot be read as what torch.save writes: {reason}. Copy it again, or save "
            "the model's state_dict() as safetensors"
        ) from error
    return _state_dict(path, content)


def _refuse_other_kinds(path: Path, head: bytes) -> None:
    """Raise for a file that is known for something else by its first bytes."""
    if not head:
        raise UnreadableWeightsError(f"{path} is empty. Copy or download it again")
    if head.startswith(LFS_POINTER):
        raise UnreadableWeightsError(
            f"{path} is a pointer of Git LFS, not the weights. Fetch them: git lfs pull"
        )
    if head.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html")):
        raise UnreadableWeightsError(
            f"{path} is a web page, not weights: the download was answered by a page. Download the "
            "file itself"
        )
    if head.startswith(b"\x93NUMPY") or path.suffix in (".npy", ".npz"):
        raise UnreadableWeightsError(
            f"{path} holds NumPy arrays. Weights of big_vision: load them with open_clip once, and "
            "save the model's state_dict() as safetensors"
        )
    if head.startswith(b"PK") and _is_torchscript(path):
        raise UnreadableWeightsError(
            f"{path} is a TorchScript archive, which is code. Save the state_dict() of the model "
            "in it as safetensors; of OpenAI's models, name open_clip's tag 'openai' instead"
        )


def _is_torchscript(path: Path) -> bool:
    """Tell whether a zip archive holds code of TorchScript."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(
                "/code/" in name or name.endswith("constants.pkl") for name in archive.namelist()
            )
    except zipfile.BadZipFile:
        return False


def _state_dict(path: Path, content: Any) -> dict[str, Tensor]:
    """Return the state dict in what a file holds, alone or among what a training run keeps."""
    for key in INSIDE:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if isinstance(content, Mapping) and {"state", "param_groups"} <= set(content):
        raise UnreadableWeightsError(
            f"{path} is the state of an optimizer, not of a model. Name the file of the model's "
            "weights"
        )
    if isinstance(content, Tensor):
        raise UnreadableWeightsError(f"{path} is one tensor, not the weights of a model")
    if not isinstance(content, Mapping) or not content:
        raise UnreadableWeightsError(
            f"{path} holds a {type(content).__name__}, not the weights of a model"
        )
    tensors = {str(name): tensor for name, tensor in content.items() if isinstance(tensor, Tensor)}
    if len(tensors) < len(content):
        others = [str(name) for name in content if str(name) not in tensors]
        raise UnreadableWeightsError(
            f"{path} holds no tensors under {', '.join(others[:4])}. Save the model's state_dict() "
            "alone"
        )
    return tensors
