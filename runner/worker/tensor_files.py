"""Files of weights whose large tensors may lie in the lab's store: writing them, and reading them.

A tensor that did not move is the backbone's, which every trial of the backbone has; it goes to the
store, once for all. Whoever reads weights of a trial reads them by `load` or `OnDisk`, which take a
whole file as well. `runner.tensor_store` says how such a file is made.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from safetensors.torch import save as serialized
from torch import Tensor

from methods import Weights
from runner import tensor_store
from runner.records import DamagedFileError
from runner.run_folder import crash_point, whole
from runner.tensor_store import LARGE_BYTES, PREFIX_BYTES, STORED, WHOLE, Part
from runner.worker import checkpoint

# The types of tensors that go to the store, by their names in safetensors
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
WHAT_TO_DO = (
    "Put it back from a copy, or have the trial trained again, to the same bits, by the wish "
    "'retrain' (docs/weights.md). Of a file that was copied out of its run folder, take the model "
    "by python -m runner.export instead"
)


class OnDisk(Mapping[str, Tensor]):
    """Weights in a file, of which a tensor is read each time that it is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: Any = None
        self._stored: dict[str, Part] = {}

    @property
    def file(self) -> Any:
        """Return the open file; it is opened when it is first asked for something."""
        if self._file is None:
            where = tensor_store.layout(self.path)
            self._stored = where.stored if where is not None else {}
            self._file = safe_open(self.path, "pt")
        return self._file

    def __getitem__(self, name: str) -> Tensor:
        file = self.file
        if name in self._stored:
            return _read(self.path, self._stored[name])
        tensor: Tensor = file.get_tensor(name)
        return tensor

    def __iter__(self) -> Iterator[str]:
        own = list(self.file.keys())
        return iter([*own, *self._stored])

    def __len__(self) -> int:
        return len(self.file.keys()) + len(self._stored)


def load(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file of weights by name, wherever they lie.

    Raises:
        OSError, SafetensorError: the file cannot be read, or is none.
        DamagedFileError: a tensor that it names is missing from the store; names it.
    """
    if tensor_store.layout(path) is None:
        return dict(load_file(path))
    weights = OnDisk(path)
    return {name: weights[name] for name in weights}


def save(
    path: Path,
    weights: Weights,
    metadata: dict[str, str] | None,
    chosen: Collection[str],
) -> None:
    """Write weights, whole or not at all, with the tensors of some names in the lab's store.

    metadata: texts that are written beside the tensors.
    """
    if not chosen:
        checkpoint.save_weights(path, weights, metadata)
        return
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    content = memoryview(serialized(tensors, metadata))
    data = PREFIX_BYTES + int.from_bytes(content[:PREFIX_BYTES], "little")
    header = json.loads(bytes(content[PREFIX_BYTES:data]))
    stored: dict[str, str] = {}
    bytes_of: dict[str, memoryview] = {}
    for name in sorted(chosen):
        first, last = header[name]["data_offsets"]
        part = content[data + first : data + last]
        stored[name] = hashlib.sha256(part).hexdigest()
        bytes_of[stored[name]] = part
    store = tensor_store.folder_of(path)
    store.mkdir(exist_ok=True)
    for sha256, part in bytes_of.items():
        tensor_store.put(store, sha256, part)
    crash_point("tensors")
    own = {name: tensor for name, tensor in tensors.items() if name not in stored}
    said = dict(metadata or {})
    said[WHOLE] = bytes(content[PREFIX_BYTES:data]).decode()
    said[STORED] = json.dumps(stored)
    with whole(path) as aside:
        aside.write_bytes(_with_metadata(serialized(own), said))
    crash_point("named")
    # A collection that had looked before the file was there may have taken some; one that looks
    # from now on sees that they are named
    for sha256, part in bytes_of.items():
        if not (store / sha256).exists():
            tensor_store.put(store, sha256, part)


def _with_metadata(content: bytes, metadata: Mapping[str, str]) -> bytes:
    """Return the bytes of a safetensors file with texts in its header, in this order.

    safetensors itself writes several texts in an order that is another each time.
    """
    data = PREFIX_BYTES + int.from_bytes(content[:PREFIX_BYTES], "little")
    header = {"__metadata__": dict(metadata), **json.loads(content[PREFIX_BYTES:data])}
    text = json.dumps(header, separators=(",", ":")).encode()
    # The tensors begin at a multiple of eight bytes
    text += b" " * (-len(text) % PREFIX_BYTES)
    return len(text).to_bytes(PREFIX_BYTES, "little") + text + content[data:]


def unmoved(weights: Weights, initial: Weights) -> set[str]:
    """Return the large tensors that are, to the last bit, those of the untouched backbone."""
    names = set()
    for name in large(weights):
        before = initial.get(name)
        if before is not None and _same_bits(weights[name], before):
            names.add(name)
    return names


def large(weights: Weights) -> set[str]:
    """Return the names of tensors that are worth a file of their own."""
    names = set()
    for name, tensor in weights.items():
        size = tensor.numel() * tensor.element_size()
        if size >= LARGE_BYTES and tensor.dtype in DTYPES.values():
            names.add(name)
    return names


def _same_bits(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors are the same to the last bit, where -0 is not 0."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    first = one.detach().cpu().contiguous().view(torch.uint8)
    return bool(torch.equal(first, other.detach().cpu().contiguous().view(torch.uint8)))


def _read(path: Path, part: Part) -> Tensor:
    """Return a tensor of the store.

    Raises:
        DamagedFileError: it is missing or of another size; names it.
    """
    store, sha256 = tensor_store.folder_of(path), str(part.sha256)
    content = bytearray(part.size)
    try:
        with tensor_store.opened(store, sha256) as file:
            read = file.readinto(content)
    except FileNotFoundError:
        read = None
    if read != part.size:
        state = "missing" if read is None else "cut off"
        raise DamagedFileError(
            path,
            f"has its tensor {part.name!r} in {store / sha256}, and that is {state}. {WHAT_TO_DO}",
        )
    return torch.frombuffer(content, dtype=DTYPES[part.dtype]).reshape(part.shape)
