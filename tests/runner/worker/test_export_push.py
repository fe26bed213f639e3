"""Pushing an exported model, to a stand-in for the hub that keeps what it is given."""

import base64
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from runner import export
from runner.export import ExportError
from runner.worker import export_push
from runner.worker.export import open_clip_config
from runner.worker.export_push import PushError, push
from tests.runner.worker.test_export import OF_WORDS, backbones, spec_of


class Hub(HTTPServer):
    """The answers of the hub that an upload needs; files are kept by name."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.files: dict[str, bytes] = {}
        self.made: list[dict[str, Any]] = []
        self.known = True

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    """One request to the stand-in."""

    server: Hub

    def do_POST(self) -> None:
        """Answer what `huggingface_hub` asks to make a repository and to commit files to it."""
        body = self._body()
        if not self.server.known:
            return self._answer(401, {"error": "Invalid credentials in Authorization header"})
        if self.path == "/api/repos/create":
            self.server.made.append(json.loads(body))
            return self._answer(200, {"url": f"{self.server.address}/somebody/best"})
        if self.path == "/api/validate-yaml":
            return self._answer(200, {"warnings": [], "errors": []})
        if self.path == "/api/models/somebody/best/preupload/main":
            named = [file["path"] for file in json.loads(body)["files"]]
            modes = [
                {"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in named
            ]
            return self._answer(200, {"files": modes})
        if self.path == "/api/models/somebody/best/commit/main":
            for line in body.decode().splitlines():
                row = json.loads(line)
                if row["key"] == "file":
                    content = base64.b64decode(row["value"]["content"])
                    self.server.files[row["value"]["path"]] = content
            commit = {
                "commitUrl": f"{self.server.address}/somebody/best/commit/1",
                "commitOid": "1",
            }
            return self._answer(200, {"success": True, **commit})
        return self._answer(404, {"error": f"the stand-in has no {self.path}"})

    def do_GET(self) -> None:
        self._answer(404, {"error": "nothing is there yet"})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, status: int, value: Any) -> None:
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A running stand-in, which `push` takes for the hub."""
    server = Hub()
    thread = Thread(target=server.serve_forever)
    thread.start()
    api = export_push.HfApi
    monkeypatch.setattr(export_push, "HfApi", lambda: api(endpoint=server.address, token="hf_ours"))
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "best"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlibrary_name: open_clip\n---\n# best\n")
    (folder / "open_clip_model.safetensors").write_bytes(bytes(range(256)) * 20)
    return folder


def test_every_file_arrives_in_a_private_repository(hub: Hub, model: Path) -> None:
    assert push(model, "somebody/best") == f"{hub.address}/somebody/best"
    assert hub.files == {path.name: path.read_bytes() for path in model.iterdir()}
    (made,) = hub.made
    assert (made["name"], made["organization"]) == ("best", "somebody")
    assert made.get("private", made.get("visibility") == "private")


def test_a_hub_that_refuses_leaves_the_folder_and_says_how_to_go_on(hub: Hub, model: Path) -> None:
    hub.known = False
    with pytest.raises(
        PushError,
        match=r"is written, but was not pushed.*401.*hf auth login.*hf upload somebody/best",
    ):
        push(model, "somebody/best")
    assert len(list(model.iterdir())) == 2
    with pytest.raises(PushError, match="not pushed to 'no name!'"):
        push(model, "no name!")


def test_open_clip_finds_the_words_of_a_pushed_model_by_its_name() -> None:
    backbone = backbones.load(spec_of(OF_WORDS).backbone, None, 0)
    text = open_clip_config(OF_WORDS, backbone, "somebody/best")["model_cfg"]["text_cfg"]
    assert text["hf_tokenizer_name"] == "somebody/best"


def test_several_models_are_not_pushed_to_one_repository() -> None:
    with pytest.raises(ExportError, match="a repository of the hub holds one model"):
        export._check_push("somebody/best", several=True)
    export._check_push("somebody/best", several=False)
    export._check_push("", several=True)
