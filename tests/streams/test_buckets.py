"""Shards in a bucket, of a stand-in for S3 on this machine."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams import DatasetError, FetchedTo, open_pairs
from streams.formats import _remote
from streams.loading import Loader
from streams.mixtures import Mixture
from streams.pools import all_of
from tests import layouts
from tests.layouts import Row

SECRET, KEY, TOKEN = "hunter22hunter22", "AKIAHUNTER22", "sesame-sesame"
MIXTURE = {"name": "m", "update_share": 1, "buffer_share": 0, "pretraining_share": 0}
MIXTURE |= {"buffer_pairs": None}


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Row]:
    """The row of four shards with their list in a bucket, whose keys are in the environment."""
    server_module = pytest.importorskip("moto.server", reason="needs moto: the extra `dev`")
    s3fs = pytest.importorskip("s3fs", reason="needs s3fs: the extra `s3`")
    import boto3

    monkeypatch.setattr(_remote, "PAUSE_S", 0.01)
    row = layouts.webdataset(tmp_path / "made", 20, set())
    sizes = {f"{number:05}.tar": 5 for number in range(4)}
    (tmp_path / "made/pool/sizes.json").write_text(json.dumps(sizes))
    server = server_module.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    # It knows the servers of the tests before this one
    s3fs.S3FileSystem.clear_instance_cache()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    client = boto3.client("s3")
    client.create_bucket(Bucket="pool")
    for file in (tmp_path / "made/pool").iterdir():
        client.upload_file(str(file), "pool", f"deep/{file.name}")
    yield row
    server.stop()


def captions(row: Row, data: Path) -> list[str]:
    pairs = open_pairs(row, "train", data, None, FetchedTo(data / "node", 1 << 30))
    mixture = Mixture(MIXTURE, 10, 1, None)
    mixture.begin(1, [(pairs, all_of(pairs))], [])
    reader = Loader(mixture)
    return reader.draw().captions + reader.draw().captions


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("lanes", [0, 2])
def test_a_bucket_has_the_pairs_of_its_folder(lanes: int, bucket: Row, tmp_path: Path) -> None:
    """In both orders, and no key is in a file, as anything that is written may be published."""
    params = bucket["params"] | {"lanes": lanes, "test": "none"}
    local = captions(bucket | {"params": params}, tmp_path / "made")
    there = bucket | {"location": "s3://pool/deep", "params": params}
    there["params"] = params | {"train": "{00000..00003}.tar"}
    assert captions(there, tmp_path / "data") == local
    for path in (tmp_path / "data").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(word.encode() in content for word in (SECRET, KEY, TOKEN))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_not_in_the_bucket_is_named_and_no_key(
    bucket: Row, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    params = bucket["params"] | {"train": "{00002..00005}.tar", "test": "none"}
    row = bucket | {"location": "s3://pool/deep", "params": params}
    with (
        caplog.at_level(logging.INFO),
        pytest.raises(
            DatasetError, match=r"s3://pool/deep/00004.tar cannot be fetched \(1 try\)"
        ) as refused,
    ):
        captions(row, tmp_path / "data")
    words = str(refused.value) + caplog.text
    assert not any(word in words for word in (SECRET, KEY, TOKEN))


def test_a_package_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec = pytest.importorskip("fsspec")

    def absent(address: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", absent)
    row = layouts.row("webdataset", "s3://pool/{0..1}.tar")
    with pytest.raises(DatasetError, match=r"s3:// needs a package .* pip install 'weir\[s3\]'"):
        open_pairs(row, "train", tmp_path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_parts_of_a_file_in_a_bucket(bucket: Row, tmp_path: Path) -> None:
    """Some bytes in its middle, and its end, which is no footer of a Parquet file."""
    whole = (tmp_path / "made/pool/00000.tar").read_bytes()
    _remote.fetch("d", "s3://pool/deep/00000.tar#bytes=5-600", tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == whole[5:601]
    with pytest.raises(DatasetError, match="it is not a whole Parquet file"):
        _remote.fetch("d", "s3://pool/deep/00000.tar#footer", tmp_path / "end")
    assert not (tmp_path / "end").exists()
