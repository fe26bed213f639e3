"""Streams of shards: the same pairs in the same batches whoever reads them, and where they go on."""

import itertools
import json
import multiprocessing
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.worker.concept_order import captions
from runner.worker.datasets import Datasets
from schema.spec import Spec
from streams import DatasetError, Draw, Pairs, open_pairs
from streams.lanes import LaneOrder
from streams.loading import Loader
from streams.mixtures import Mixture
from streams.pools import MixtureError, all_of
from streams.shard_remarks import of_shards
from tests import layouts
from tests.layouts import Row

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")
UPDATE = {"name": "m", "update_share": 1, "buffer_share": 0, "pretraining_share": 0}
UPDATE |= {"buffer_pairs": None}
HALVES = UPDATE | {"update_share": 0.5, "buffer_share": 0.5}
THIRDS = UPDATE | {"update_share": 0.5, "buffer_share": 0.3, "pretraining_share": 0.2}
BATCH = 12


def row(folder: Path, count: int, bad: set[int] | None = None, **params: Any) -> Row:
    """Shards of five pairs in a folder, to be walked by four lanes."""
    made = layouts.webdataset(folder, count, bad or set())
    return made | {"params": made["params"] | {"lanes": 4, "block_shards": 2} | params}


def opened(folder: Path, count: int, bad: set[int] | None = None, **params: Any) -> Pairs:
    return open_pairs(row(folder, count, bad, **params), "train", folder)


def loader(pairs: Pairs, workers: int = 0, part: slice | None = None, seed: int = 1) -> Loader:
    """Task 1 over a stream of shards, 12 pairs a batch."""
    mixture = Mixture(UPDATE, BATCH, seed, None)
    mixture.begin(1, [(pairs, all_of(pairs))], [])
    return Loader(mixture, workers, part)


def three(folder: Path, workers: int = 0, part: slice | None = None) -> Loader:
    """Task 2: a stream of its own, a buffer of two streams, and a pool in the order of its pairs."""
    new, old, older = [opened(folder / name, 40, {7}) for name in ("new", "old", "older")]
    pool = open_pairs(layouts.webdataset(folder / "pool", 20, set()), "train", folder / "pool")
    mixture = Mixture(THIRDS, BATCH, 3, [(pool, all_of(pool))])
    mixture.begin(2, [(new, all_of(new))], [[(old, all_of(old)), (older, all_of(older))]])
    return Loader(mixture, workers, part)


def same(one: Draw, other: Draw) -> bool:
    return (
        np.array_equal(one.images, other.images)
        and one.captions == other.captions
        and np.array_equal(one.sources, other.sources)
    )


# ------------------------------------------------ the order


@given(
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=30).filter(any),
    lanes=st.integers(1, 8),
    block=st.integers(1, 5),
    count=st.integers(1, 20),
)
def test_each_pair_once_in_an_epoch_of_the_lanes(
    sizes: list[int], lanes: int, block: int, count: int
) -> None:
    """Of each lane, the walk of an epoch has the pairs of its shards once; all have each once."""
    order = LaneOrder(np.array(sizes, np.int32), min(lanes, count), block, [1])
    for epoch in range(3):
        met = []
        for lane in order.lanes:
            dealt = order.dealt(epoch, lane.number)
            pairs = sum(sizes[shard] for shard in dealt)
            lane.seek(lane.cursor._replace(epoch=epoch, block=0, place=0))
            met += np.concatenate(list(lane.take(pairs))).tolist()
            assert lane.cursor == (epoch + 1, 0, 0)
        assert sorted(met) == list(range(sum(sizes)))


@given(
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=30).filter(any),
    lanes=st.integers(1, 8),
    block=st.integers(1, 5),
    batches=st.integers(0, 40),
)
def test_lanes_go_on_from_their_cursors(
    sizes: list[int], lanes: int, block: int, batches: int
) -> None:
    def order() -> LaneOrder:
        return LaneOrder(np.array(sizes, np.int32), min(lanes, 7), block, [1, 2])

    first, again = order(), order()
    for _ in range(batches):
        first.take(7)
    again.seek(json.loads(json.dumps(first.cursors())))
    for _ in range(5):
        assert np.array_equal(again.take(7), first.take(7))


def test_a_lane_permutes_a_block_at_a_time() -> None:
    """Its first pairs are those of its first shards, in no order of theirs."""
    order = LaneOrder(np.full(12, 100, np.int32), 3, 2, [5])
    lane = order.lanes[1]
    begun = np.concatenate(list(lane.take(200)))
    shards = lane.shards(0, 0).tolist()
    assert sorted(set((begun // 100).tolist())) == sorted(shards)
    assert not np.array_equal(begun, np.sort(begun))
    # Each half of the block has pairs of both shards
    assert set((begun[:50] // 100).tolist()) == set(shards)
    assert lane.cursor == (0, 1, 0)


def test_a_seek_builds_no_more_than_a_block() -> None:
    """A lane is put back by its numbers, not by a walk: what comes then is what came before."""
    order = LaneOrder(np.full(100_000, 10_000, np.int32), 16, 2, [5])
    order.seek([[7, 3000, 19_000]] * 16)
    assert all(lane.pairs is None for lane in order.lanes)
    taken = order.take(64)
    assert len(set((taken // 10_000).tolist())) <= 16 * 4


# ------------------------------------------------ whoever reads


def test_every_number_of_workers_and_ranks_goes_on_from_every_other(tmp_path: Path) -> None:
    """Killed and resumed with 0, 1, 2, 4 workers and 1, 2, 4 ranks, in any change between."""
    alone = three(tmp_path)
    batches = [alone.draw() for _ in range(4)]
    ways = list(itertools.product((1, 2, 4), (0, 1, 2, 4)))
    state: dict[str, Any] | None = None
    at = 0
    # Every way is gone on from and gone on with; all changes from one to another are 144
    for before, (ranks, workers) in enumerate([*ways[::2], *ways[::-1]]):
        parts = [slice(r * BATCH // ranks, (r + 1) * BATCH // ranks) for r in range(ranks)]
        if at == len(batches):
            at, state = 0, None
        readers = []
        for part in parts:
            reader = three(tmp_path, workers if part is parts[-1] else min(workers, 1), part)
            if state is not None:
                reader.load_state_dict(state)
            readers.append(reader)
        drawn = [reader.draw() for reader in readers]
        assert np.array_equal(np.concatenate([draw.images for draw in drawn]), batches[at].images)
        assert [text for draw in drawn for text in draw.captions] == batches[at].captions
        states = [json.dumps(reader.state_dict()) for reader in readers]
        assert len(set(states)) == 1, before
        state, at = json.loads(states[0]), at + 1


def test_the_pairs_of_a_batch_are_known_by_their_datasets(tmp_path: Path) -> None:
    """In the order of the batch, so that what is kept of a picture is never another's."""
    drawn = three(tmp_path).draw()
    assert sum(len(places) for _, places in drawn.chosen) == BATCH
    names = []
    for pairs, places in drawn.chosen:
        names += pairs.captions(places, np.random.default_rng(0))
    assert names == drawn.captions


def test_a_rank_opens_the_shards_of_its_lanes_alone(tmp_path: Path) -> None:
    """So it fetches no others: four ranks of four lanes share none within an epoch."""
    opened(tmp_path, 40)
    shards = []
    for rank in range(4):
        pairs = opened(tmp_path, 40)
        reader = loader(pairs, 0, slice(rank * 3, rank * 3 + 3))
        for _ in range(3):
            reader.draw()
        shards.append(set(pairs.shards.opened))  # type: ignore[attr-defined]
    assert all(len(some) == 2 for some in shards)
    assert len(set.union(*shards)) == 8


def _drawn(pickled: bytes) -> list[str]:
    reader = pickle.loads(pickled)
    return list(reader.draw().captions)


def test_a_process_that_is_not_forked_reads_the_same(tmp_path: Path) -> None:
    reader = loader(opened(tmp_path, 40))
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        captions = pool.apply(_drawn, [pickle.dumps(reader)])
    assert captions == reader.draw().captions


# ------------------------------------------------ what cannot be read


def test_a_picture_that_cannot_be_read_is_replaced_within_its_shard(tmp_path: Path) -> None:
    """Counted by every number of workers alike, and named once in a report."""
    bad = {3, 17}
    reports = []
    for workers in (0, 1, 3):
        pairs = opened(tmp_path, 60, bad)
        reader = loader(pairs, workers)
        captions = []
        for _ in range(5):
            captions += reader.draw().captions
        numbers = [int(caption.rpartition(" ")[2]) for caption in captions]
        assert not bad & set(numbers)
        # 3 is of the first shard, 17 of the fourth
        assert numbers.count(4) == 2 and numbers.count(18) == 2
        reports.append(pairs.lines())  # type: ignore[attr-defined]
        assert pairs.lines() == []  # type: ignore[attr-defined]
    assert reports == [reports[0]] * 3
    assert len(reports[0]) == 1
    assert reports[0][0].startswith("2 pairs cannot be read and were replaced: ")
    assert "00000.tar/000000003" in reports[0][0]


def test_too_many_are_an_error(tmp_path: Path) -> None:
    pairs = opened(tmp_path, 60, set(range(0, 60, 2)))
    with pytest.raises(
        DatasetError, match=r"^dataset 'birds': 11 of the \d+ pairs read so far cannot be read"
    ):
        for _ in range(10):
            loader(pairs).draw()


def test_a_shard_without_a_readable_pair_is_named(tmp_path: Path) -> None:
    pairs = opened(tmp_path, 10, set(range(5)), corrupt_share=1.0)
    with pytest.raises(
        DatasetError, match=r"^dataset 'birds': none of the 5 pairs of 00000.tar can be read: "
    ):
        pairs.images(np.arange(10))


def test_sizes_that_lie_are_made_up_for_and_told(tmp_path: Path) -> None:
    """The list says how far a lane goes; what a shard lacks its other pairs stand for."""
    listed = row(tmp_path, 10)
    sizes = {"00000.tar": 7, "00001.tar": 3}
    (tmp_path / "pool" / "sizes.json").write_text(json.dumps(sizes))
    pairs = open_pairs(listed, "train", tmp_path)
    assert len(pairs) == 10
    numbers = []
    rng = np.random.default_rng(0)
    pairs.images(np.arange(10))
    for caption in pairs.captions(np.arange(10), rng):
        numbers.append(int(caption.rpartition(" ")[2]))
    assert numbers == [0, 1, 2, 3, 4, 0, 1, 5, 6, 7]
    assert pairs.lines() == [  # type: ignore[attr-defined]
        "2 pairs that the list of the shards has and the shards have not were replaced",
        "2 pairs beyond what the list says of their shards are not used",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"00000.tar": 5}', r"sizes.json says nothing of 1 of the 2 shards in .*pool: 00001.tar"),
        ('{"00000.tar": "5"}', r'sizes.json holds {"00000.tar": "5"}; it must give a number'),
        ('{"00000.tar": -1}', r'sizes.json holds {"00000.tar": -1}; it must give a number'),
        ("[5, 5]", r"sizes.json holds \[5, 5\]; it must give a number of pairs"),
        ("oops", r'sizes.json holds "oops"; it must give a number of pairs'),
        ('{"00000.tar": 0, "00001.tar": 0}', r"none of the 2 shards has a pair with an image"),
    ],
)
def test_a_list_that_says_nothing_is_refused(content: str, message: str, tmp_path: Path) -> None:
    listed = row(tmp_path, 10)
    (tmp_path / "pool" / "sizes.json").write_text(content)
    with pytest.raises(DatasetError, match=message):
        open_pairs(listed, "train", tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        '{"00000.tar": 5, "00001.tar": 4}',
        ' {\n"00000.tar" :5,\n "00001.tar":\t4 }\n',
        '{"00001.tar": 4, "00000.tar": 5}',
        '{"00000.tar": 5, "00001.tar": 4, "00002.tar": 9}',
        '{"00000\\u002etar": 5, "00001.tar": 4}',
    ],
)
def test_a_list_in_any_order(content: str, tmp_path: Path) -> None:
    listed = row(tmp_path, 10)
    (tmp_path / "pool" / "sizes.json").write_text(content)
    assert open_pairs(listed, "train", tmp_path).sizes.tolist() == [5, 4]  # type: ignore[attr-defined]


def test_a_list_in_each_folder(tmp_path: Path) -> None:
    """Where the folder of all has none, or says nothing of a shard."""
    listed = row(tmp_path, 10)
    for number, folder in enumerate(("a", "b")):
        (tmp_path / "pool" / folder).mkdir()
        shard = tmp_path / f"pool/{number:05}.tar"
        shard.rename(tmp_path / "pool" / folder / shard.name)
        sizes = {shard.name: 5 - number}
        (tmp_path / "pool" / folder / "sizes.json").write_text(json.dumps(sizes))
    assert open_pairs(listed, "train", tmp_path).sizes.tolist() == [5, 4]  # type: ignore[attr-defined]
    (tmp_path / "pool" / "sizes.json").write_text('{"a/00000.tar": 3}')
    assert open_pairs(listed, "train", tmp_path).sizes.tolist() == [3, 4]  # type: ignore[attr-defined]


def test_without_a_list_the_headers_are_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = row(tmp_path, 12)
    assert open_pairs(listed, "train", tmp_path).sizes.tolist() == [5, 5, 2]  # type: ignore[attr-defined]
    monkeypatch.setattr("streams.formats._shard_stream.places_of", lambda *_: 1 / 0)
    assert len(open_pairs(listed, "train", tmp_path)) == 12


# ------------------------------------------------ what this order cannot do


def test_what_needs_a_table_of_pairs_is_refused_by_name(tmp_path: Path) -> None:
    pairs, other = opened(tmp_path / "a", 20), opened(tmp_path / "b", 20, lanes=2)
    plain = open_pairs(layouts.webdataset(tmp_path / "c", 20, set()), "train", tmp_path / "c")
    update, earlier = [(pairs, all_of(pairs))], [[(pairs, all_of(pairs))]]
    bounded = Mixture(HALVES | {"buffer_pairs": 5}, BATCH, 1, None)
    with pytest.raises(
        MixtureError, match=r"mixture 'm': buffer_pairs chooses pairs of 'birds', a"
    ):
        bounded.begin(2, update, earlier)
    policy = Mixture(HALVES | {"buffer_pairs": 5, "buffer_policy": "equal"}, BATCH, 1, None)
    with pytest.raises(MixtureError, match=r"of which there is no table\. Take a mixture whose"):
        policy.begin(2, update, earlier)
    mixture = Mixture(UPDATE, BATCH, 1, None)
    with pytest.raises(MixtureError, match=r"the update of task 1 draws from 'birds', a stream of"):
        mixture.begin(1, [*update, (plain, all_of(plain))], [])
    with pytest.raises(
        MixtureError, match=r"lanes and block_shards \(4, 2\), and from 'birds' with"
    ):
        mixture.begin(1, [*update, (other, all_of(other))], [])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"test": "", "test_share": 0.5}, "test_share splits a place by the name of each pair"),
        ({"block_shards": 0}, "block_shards is 0; a lane permutes the pairs of so many"),
    ],
)
def test_a_row_that_cannot_be_walked_so_is_refused(
    params: Row, message: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=message):
        opened(tmp_path, 10, **params)


def test_a_class_as_a_concept_is_refused(tmp_path: Path) -> None:
    pairs = row(tmp_path, 20)
    stream = {"name": "s", "datasets": [pairs], "tasks": 1, "suite": {"name": "s", "members": []}}
    for concept in ("crow", "*"):
        stream["sequence"] = {"name": "s", "concepts": [["birds", concept]]}
        spec = Spec({"name": "b"}, stream, UPDATE, {}, {"name": "r"}, {}, 0)
        datasets = Datasets(spec, tmp_path)
        if concept == "crow":
            with pytest.raises(
                DatasetError, match=r"'crow' cannot be taught alone\. Name '\*' as the concept"
            ):
                datasets.sources.portions(datasets.tasks[0])
        else:
            assert len(datasets.sources.portions(datasets.tasks[0])) == 1


def test_another_list_of_shards_is_not_gone_on_with(tmp_path: Path) -> None:
    first = loader(opened(tmp_path, 40))
    first.draw()
    state = first.state_dict()
    opened(tmp_path, 45)
    with pytest.raises(MixtureError, match="are not those that the checkpoint was written with"):
        loader(opened(tmp_path, 45)).load_state_dict(state)


def test_captions_are_counted_without_a_picture(tmp_path: Path) -> None:
    """As an order of concepts by frequency counts them: all of them, the second of a pair too."""
    pairs = opened(tmp_path, 20, set(range(20)), caption="json:alt")
    texts = list(captions(pairs))
    assert len(texts) == 40 and texts[:2] == ["crow number 0, said otherwise", "crow number 0"]


def test_captions_of_a_record_and_of_templates(tmp_path: Path) -> None:
    records = loader(opened(tmp_path, 20, caption="json:alt"))
    texts = records.draw().captions
    assert any("said otherwise" in text for text in texts)
    templates = loader(opened(tmp_path, 20, caption="templates"))
    assert all(
        text.removeprefix("a ").removeprefix("one ").removesuffix(" in a tree") in layouts.CLASSES
        for text in templates.draw().captions
    )


def test_a_check_says_what_a_batch_draws_from_and_if_shards_are_sorted(tmp_path: Path) -> None:
    """By the classes in the first shard: five pairs of three classes are mixed, five of one are not."""
    pairs = opened(tmp_path, 40, caption="templates")
    lines = list(of_shards(pairs))  # type: ignore[arg-type]
    assert lines == [
        "train: a batch draws from 8 of 8 shards at a time, by 4 lanes with blocks of 2"
    ]
    few = opened(tmp_path, 40, caption="templates", lanes=2)
    assert next(of_shards(few)).startswith("train: a batch draws from 4 of 8")  # type: ignore[arg-type]
    # One class alone, as of files that were packed folder by folder
    shard = few.shards.open(0)  # type: ignore[attr-defined]
    shard.spans[:] = shard.spans[0]
    line = list(of_shards(few))[1]  # type: ignore[arg-type]
    assert "shard 00000.tar has 1 of the 3 classes" in line and "it takes 3 such shards" in line


# ------------------------------------------------ row groups


def test_row_groups_are_read_where_they_lie(tmp_path: Path) -> None:
    """Every pair once in an epoch, at any number of readers, and nothing is copied or counted anew."""
    plain = layouts.parquet(tmp_path, 24, {5})
    lanes = plain | {"params": plain["params"] | {"lanes": 3, "block_shards": 2}}
    pairs = open_pairs(lanes, "train", tmp_path)
    # Twelve rows a file, four a row group
    assert pairs.sizes.tolist() == [4] * 6  # type: ignore[attr-defined]
    reader = loader(pairs)
    batches = [reader.draw() for _ in range(2)]
    texts = [text.removesuffix(", said otherwise") for draw in batches for text in draw.captions]
    numbers = sorted(int(text.rpartition(" ")[2]) for text in texts)
    # The next of its row group stands for the fifth
    assert numbers == sorted([*range(5), 6, *range(6, 24)])
    assert pairs.lines() == [  # type: ignore[attr-defined]
        "1 pairs cannot be read and were replaced: data/train-00000-of-00002, row group 1/row 1"
    ]
    assert not (tmp_path / "parquet").exists()
    parts = [
        loader(open_pairs(lanes, "train", tmp_path), 1, part)
        for part in (slice(0, 6), slice(6, 12))
    ]
    for batch in batches:
        drawn = [part.draw() for part in parts]
        assert np.array_equal(np.concatenate([draw.images for draw in drawn]), batch.images)


def test_row_groups_with_classes_have_captions_of_templates(tmp_path: Path) -> None:
    """By the names that the files note, where the row has none."""
    plain = layouts.parquet(tmp_path, 24, set())
    params = plain["params"] | {"lanes": 3, "caption": ""}
    for classes in (layouts.CLASSES, layouts.CLASSES[::-1], []):
        pairs = open_pairs(plain | {"params": params, "classes": classes}, "train", tmp_path)
        pairs.images(np.arange(24))
        texts = pairs.captions(np.arange(24), np.random.default_rng(0))
        for number, text in enumerate(texts):
            assert layouts.CLASSES[number % 3] in text
