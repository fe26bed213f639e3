"""JPEGs decoded where they are learned from: next to Pillow's pixels, the same pairs, replacements and counts, and the same bits
when resumed."""

import io
import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from runner.worker.datasets import Datasets, ImageSettings
from schema.checks.compute import Compute, ComputeError
from schema.spec import Spec
from streams import DatasetError, decoding, open_pairs
from streams.augmentation import box
from streams.decoding import Jpeg, decoded, decoder, left, opened, placed
from streams.formats._files import Files
from streams.loading import Loader
from streams.mixtures import Mixture
from streams.pictures import Crop, pixels
from tests import layouts
from tests.decoders import CROPS, DRAWN, file, met, off, same
from tests.layouts import FORMATS, LAYOUTS, ROW
from tests.processes import attempt, run_trial
from tests.runner.test_trial import brought, spec_of
from tests.runner.worker.test_processes import assert_same, begun
from tests.streams.test_crops import FOMO, HARD, how, photo

pytestmark = pytest.mark.filterwarnings(
    "ignore:This DataLoader will create"
)  # more workers than cores
CPU = torch.device("cpu")


def there(data: bytes, image_px: int, crop: Crop | None = None) -> np.ndarray:
    """A JPEG by the device."""
    found = left(data, image_px, crop)
    assert isinstance(found, Jpeg) and found.data is data
    (made,) = decoded([found], image_px, CPU)
    assert made is not None and made.dtype == torch.uint8 and made.shape == (3, image_px, image_px)
    return made.numpy()


SIZES = [
    (340, 256),
    (256, 340),
    (500, 375),
    (224, 224),
    (880, 700),
    (60, 44),
    (1, 1),
    (3, 2),
    (900, 20),
    (7, 300),
]
KINDS: dict[str, dict[str, Any]] = {
    "gray": {},
    "progressive": {"progressive": True},
    "whole colours": {"subsampling": 0},
}
CASES = [("plain", size) for size in SIZES] + [
    (kind, size) for kind in KINDS for size in ((256, 340), (60, 44), (7, 300))
]


@pytest.mark.parametrize(("kind", "size"), CASES, ids=str)
@pytest.mark.parametrize("cut", CROPS)
def test_it_is_pillows_picture_to_three_levels_of_256(
    kind: str, size: tuple[int, int], cut: str
) -> None:
    """Of small and large, tiny and very wide ones: the whole file, the same square, rounded otherwise; three quarters of the
    numbers are the same."""
    data = file(photo(*size).convert("L" if kind == "gray" else "RGB"), **KINDS.get(kind, {}))
    off_by = off(there(data, 224, CROPS[cut]), pixels(data, 224, CROPS[cut]))
    assert off_by.max() <= 3 and off_by.mean() < 0.35


def test_a_large_jpeg_is_decoded_whole() -> None:
    """Where Pillow decodes it at half its size, which is what differs more."""
    data, crop = file(photo(2000, 2400)), partial(box, how(FOMO), 7)
    off_by = off(there(data, 224, crop), pixels(data, 224, crop))
    assert 0.1 < off_by.mean() < 0.6 and off_by.max() <= 12
    exact = pixels(Image.open(io.BytesIO(data)).convert("RGB"), 224, crop)
    assert off(there(data, 224, crop), exact).max() <= 2


OTHERS: dict[str, Callable[[Image.Image], bytes | Image.Image]] = {
    "png": lambda picture: file(picture, "PNG"),
    "webp": lambda picture: file(picture, "WEBP"),
    "16 bit": lambda picture: file(
        Image.fromarray(np.arange(60 * 44, dtype=np.uint16).reshape(44, 60) * 20), "PNG"
    ),
    "cmyk": lambda picture: file(picture.convert("CMYK")),
    "stored as rgb": lambda picture: file(picture, keep_rgb=True),
    "without an end": lambda picture: file(picture) + b"\0",
    "decoded": lambda picture: picture,
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("cut", CROPS)
def test_what_is_no_plain_jpeg_is_pillows_to_the_bit(kind: str, cut: str) -> None:
    found = left(OTHERS[kind](photo(60, 44)), 24, CROPS[cut])
    assert isinstance(found, np.ndarray) and np.array_equal(
        found, pixels(OTHERS[kind](photo(60, 44)), 24, CROPS[cut])
    )


def broken(number: int = 0) -> bytes:
    """A JPEG whose header and end are in order, and whose table of codes is nonsense."""
    data = bytearray(file(layouts.picture(number)))
    table = data.index(b"\xff\xc4")
    data[table + 5 : table + 21] = b"\xff" * 16
    return bytes(data)


def test_one_that_is_refused_does_not_take_the_others_with_it() -> None:
    """Wherever it stands among those that are decoded together."""
    good, bad = (
        [left(file(photo(60, 44 + n)), 24) for n in range(decoding.AT_ONCE)],
        left(broken(), 24),
    )
    assert isinstance(bad, Jpeg), "nothing is wrong with what was looked at so far"
    for place in (0, 5, decoding.AT_ONCE):
        made = list(decoded([*good[:place], bad, *good[place:]], 24, CPU))  # type: ignore[list-item]
        assert [found is None for found in made] == [
            n == place for n in range(decoding.AT_ONCE + 1)
        ]
        alone = [found for one in good for found in decoded([one], 24, CPU)]  # type: ignore[list-item]
        assert all(map(torch.equal, [found for found in made if found is not None], alone))  # type: ignore[arg-type]


@pytest.mark.parametrize("place", ["meta", *([] if torch.cuda.is_available() else ["cuda"])])
def test_a_device_that_decodes_nothing_is_refused_at_the_start(place: str, tmp_path: Path) -> None:
    spec = spec_of("toy_ema")
    said = {**spec.recipe, "compute_params": {"decode_on_device": True}}
    with pytest.raises(
        ComputeError,
        match=rf"decode_on_device: torchvision decodes no JPEG on {place} \(.+\). Leave decode_on",
    ):
        Datasets(
            Spec(spec.backbone, spec.stream, spec.mixture, spec.method, said, spec.budget, 0),
            tmp_path,
            images=ImageSettings(device=torch.device(place)),
        )
    assert (
        Datasets(spec, tmp_path, images=ImageSettings(device=torch.device(place))).device is None
    ), "nobody asked for it"
    assert decoder(Compute(decode_on_device=True), CPU) == CPU


def loader(
    name: str,
    folder: Path,
    device: torch.device | None,
    workers: int = 0,
    part: slice | None = None,
    bad: tuple[int, ...] = (3, 6),
    params: dict[str, Any] = HARD,
) -> Loader:
    """Task 2 of a mixture over a layout, the drawn world and shards of JPEGs: 16 pairs a batch, cropped and coloured."""
    spoiled = set(bad) if name not in DRAWN else set[int]()
    rows = [LAYOUTS[name](folder / "new", 12, spoiled), LAYOUTS["world"](folder / "old", 12, set())]
    rows.append(LAYOUTS["webdataset"](folder / "pool", 12, set(bad)))
    sets = [
        open_pairs(row, "train", folder / place)
        for row, place in zip(rows, ("new", "old", "pool"), strict=True)
    ]
    mixture = Mixture(ROW, 16, 5, [(sets[2], np.arange(12))], how(params), device)
    mixture.begin(2, [(sets[0], np.arange(12))], [[(sets[1], np.arange(12))]])
    return Loader(mixture, workers, part)


@pytest.mark.parametrize("name", FORMATS)
def test_batches_are_those_that_pillow_makes_next_to_rounding(name: str, tmp_path: Path) -> None:
    """Pairs, captions, crops, colours, and which items are replaced, by which others; of what is no JPEG to the bit."""
    host, device = (loader(name, tmp_path, where) for where in (None, CPU))
    for _ in range(4):
        one, other = host.draw(), device.draw()
        assert (
            one.images.shape == other.images.shape
            and one.images.dtype == other.images.dtype == torch.uint8
        )
        assert one.captions == other.captions and np.array_equal(one.sources, other.sources)
        off_by = off(one.images.numpy(), other.images.numpy())
        assert off_by.max() <= 6 and off_by.mean() < 0.1, (
            "colours that are jittered make more of a difference"
        )
        exact = [
            n
            for n in range(16)
            if one.sources[n] == 1 or (one.sources[n] == 0 and name != "webdataset")
        ]
        assert exact and off_by[exact].max() == 0
        assert off_by.any()
    assert met(host) == met(device) and host.state_dict() == device.state_dict()
    if name not in DRAWN:
        assert len(met(device)[0][0]) == 2


@pytest.mark.parametrize("name", ["webdataset", "imagefolder", "idsprites"])
def test_the_same_however_they_are_read(name: str, tmp_path: Path) -> None:
    """By processes ahead, from a cursor, and a part of the batch by each of two."""
    alone = loader(name, tmp_path, CPU)
    batches, state = [alone.draw() for _ in range(3)], alone.state_dict()
    expected = alone.draw()
    for workers in (1, 3):
        ahead = loader(name, tmp_path, CPU, workers)
        assert all(same(ahead.draw(), batch) for batch in [*batches, expected])
        assert met(ahead) == met(alone) and ahead.state_dict() == alone.state_dict()
    again = loader(name, tmp_path, CPU, 2)
    again.load_state_dict(state)
    assert same(again.draw(), expected)
    parts = [
        loader(name, tmp_path, CPU, workers, part)
        for part, workers in ((slice(0, 7), 0), (slice(7, 16), 2))
    ]
    drawn = [one.draw() for one in parts]
    assert torch.equal(torch.cat([draw.images for draw in drawn]), batches[0].images)
    assert [caption for draw in drawn for caption in draw.captions] == batches[0].captions


def test_each_of_several_decodes_its_own_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, real = list[int](), decoding._at_once
    monkeypatch.setattr(
        decoding, "_at_once", lambda jpegs, device: asked.append(len(jpegs)) or real(jpegs, device)
    )
    read, once = list[int](), Files._decoded
    monkeypatch.setattr(
        Files,
        "_decoded",
        lambda pairs, index, *how, **by: read.append(index) or once(pairs, index, *how, **by),
    )
    loader("webdataset", tmp_path, CPU, 0, slice(2, 14), bad=()).draw()
    ours = [
        8 - 2,
        4 - 2,
    ]  # of eight update pairs and four to replay, which are drawn, and four of the pool: but the outer two
    assert asked == ours and len(read) == sum(ours)


def test_what_reads_ahead_touches_no_device(tmp_path: Path) -> None:
    """A GPU that no machine has: files come from the worker all the same."""
    ahead = loader("webdataset", tmp_path, torch.device("cuda", 99), 1)
    sent = ahead._first_ahead()
    assert isinstance(sent, list) and any(isinstance(one, Jpeg) for one in sent[0])
    assert all(
        isinstance(one, Jpeg | np.ndarray | Exception) for portion in sent for one in portion
    )
    assert not any(isinstance(one, torch.Tensor) for portion in sent for one in portion)


@pytest.mark.parametrize("workers", [0, 2])
def test_too_many_unreadable_ones_are_as_many_as_ever(workers: int, tmp_path: Path) -> None:
    """Empty files, pages of a web server and halves of pictures; the message says the same."""
    said = []
    for device in (None, CPU):
        row = LAYOUTS["webdataset"](tmp_path, 60, set(range(24)))
        pairs = open_pairs(row, "train", tmp_path)
        mixture = Mixture(
            ROW | {"update_share": 1.0, "buffer_share": 0.0, "pretraining_share": 0.0},
            16,
            5,
            None,
            device=device,
        )
        mixture.begin(1, [(pairs, np.arange(60))], [])
        drawn = Loader(mixture, workers if device else 0)
        with pytest.raises(
            DatasetError, match=r"^dataset 'birds': 11 of the \d+ images read so far cannot be read"
        ) as error:
            for _ in range(60):
                drawn.draw()
        said.append(re.sub("0x[0-9a-f]+", "", str(error.value)))
    assert said[0] == said[1]


def test_pillow_has_the_last_word(tmp_path: Path) -> None:
    """On what a device refuses: unreadable, and replaced, only if Pillow cannot read it either."""
    row = LAYOUTS["webdataset"](tmp_path, 12, set())
    samples = [layouts.sample(number) for number in range(5)]
    samples[2][1]["jpg"] = broken(2)
    layouts.shard(tmp_path / "pool" / "00000.tar", samples)
    host, device = (open_pairs(row, "train", tmp_path) for _ in range(2))
    every = np.arange(12)
    expected, found = host.images(every), opened(device, every, None)
    assert all(isinstance(one, Jpeg) for one in found)
    assert off(placed(device, every, None, found, CPU).numpy(), expected).max() <= 3
    assert isinstance(host, Files) and isinstance(device, Files)
    assert device.corrupt == host.corrupt == ["00000/000000002"] and list(device.instead) == list(
        host.instead
    )
    refused = torch.stack([torch.tensor(one) for one in device.shown(every, None, [None] * 12)])
    assert np.array_equal(refused.numpy(), expected), "by Pillow, all of them"


def trained(folder: Path, **compute: Any) -> Spec:
    """A toy trial that replays JPEGs from shards, two of which are cut off, cropped and coloured; half of each batch is drawn."""
    said = json.loads(spec_of("toy_ema").to_json())
    row = layouts.webdataset(folder, 30, {2, 5}) | {"name": "pool"}
    row["params"] |= {"image_px": 16}
    said["mixture"] |= {"pretraining_dataset": row}
    said["recipe"] |= {
        "compute_params": compute,
        "augmentation_params": {"scale": [0.4, 0.9], "color_jitter": [0.2, 0.2, 0.2, 0.1]},
    }
    return Spec.from_row(said)


@pytest.mark.slow
def test_a_trial_killed_and_resumed_comes_to_the_same_bits(tmp_path: Path) -> None:
    """And to other ones than with Pillow, by rounding."""
    data = tmp_path / "data"
    spec, plain = trained(data, decode_on_device=True), trained(data)
    for runs, what, point in (
        ("whole", spec, None),
        ("plain", plain, None),
        ("killed", spec, "step:6"),
    ):
        folder = attempt(tmp_path / runs, what, 1, data)
        assert run_trial(folder, crash_at=point) == (-9 if point else 0)
    assert run_trial(attempt(tmp_path / "killed", spec, 2, data)) == 0
    whole, host = brought(tmp_path / "whole"), brought(tmp_path / "plain")
    assert brought(tmp_path / "killed") == whole
    assert (
        whole["weights 2"] != host["weights 2"]
        and whole["cost 2"] == host["cost 2"]
        and whole["result 0"] == host["result 0"]
    )
    for task in (1, 2):
        losses = [[loss for _, loss, _ in found[f"curve {task}"]] for found in (whole, host)]
        assert losses[0] == pytest.approx(losses[1], rel=0.02)


@pytest.mark.slow
def test_several_processes_each_decode_their_part(tmp_path: Path) -> None:
    """Two come to what one does, to rounding."""
    data = tmp_path / "data"
    for ranks in (1, 2):
        spec = trained(data, decode_on_device=True, ranks=ranks)
        said = json.loads(spec.to_json())
        said["recipe"] |= {"optimizer": "sgd", "lr": 0.05}
        process = begun(attempt(tmp_path / str(ranks), Spec.from_row(said), 1, data))
        process.join()
        assert process.exitcode == 0
    assert_same(tmp_path / "1", tmp_path / "2")
