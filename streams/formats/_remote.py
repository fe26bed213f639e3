"""Files at an address: fetched whole, then read like local files.

An address is http://, https://, file://, s3:// or gs://, and numbers in braces stand for many:
`https://host/pool/{00000..00127}.tar`. Buckets are read by fsspec, of the extras `s3` and `gs`; the
others by the standard library, so that they need no package. No command is run (`pipe:`), because a
row of a catalog may come from anyone. Credentials come from the environment only: those of AWS and
Google from their own variables, those of a web server from a netrc file, by host, and they are not
sent to another host. Messages never contain them.

Of a Parquet file, parts are fetched: an address that ends with `#bytes=4-999` stands for these
bytes, the last one too, and one that ends with `#footer` for the end of the file, which holds what
Parquet calls the footer. Rows of a catalog cannot contain such an address.

A file is written under a temporary name, flushed, and moved into place when it is whole, that is as
long as the server or the bucket says. So a download that was killed, cut off or filled the disk is
never used.
"""

import base64
import hashlib
import http.client
import netrc
import os
import re
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from schema.files import fsync
from streams import DatasetError
from streams.formats._disk import locked

# The extra in pyproject.toml that installs each kind of bucket's package
EXTRAS = {"s3": "s3", "gs": "gs"}
SCHEMES = ("http://", "https://", "file://", "s3://", "gs://")
# The pause doubles after each try.
TRIES, PAUSE_S, SILENCE_S = 4, 1.0, 60.0
CHUNK_BYTES = 1 << 20
# The end of an address that stands for a part of a file
PART = re.compile(r"#(?:footer|bytes=(\d+)-(\d+))$")
# How much of the end of a file is read first to find a footer, and how Parquet ends a file: the
# length of the footer, 4 bytes, and 4 letters
TAIL_BYTES, END_BYTES, MAGIC = 1 << 16, 8, b"PAR1"
# Statuses from 400 to 499 after which another try may succeed; the others are final.
TRY_AGAIN = (408, 425, 429)
# Parts of the names of variables that hold secrets; and the shortest value that is hidden.
SECRET = ("KEY", "SECRET", "TOKEN", "PASSWORD", "CREDENTIAL", "AUTHORIZATION")
SHORTEST_SECRET = 6
# Called with the number of bytes before they are written; raises where there is no room.
Room = Callable[[int], None]


class Span(NamedTuple):
    """Bytes of a file: from `first` up to `end`, or the last -`first` bytes where `end` is None."""

    first: int
    end: int | None

    def header(self) -> str:
        """Return the value of the header `Range`."""
        if self.end is None:
            return f"bytes={self.first}"
        return f"bytes={self.first}-{self.end - 1}"


class DeniedError(OSError):
    """A file cannot be fetched, and another try would not help."""


class AbsentError(DatasetError):
    """A file does not exist at its address, or this machine may not read it."""


def is_address(location: str) -> bool:
    """Return whether a location is an address that can be fetched."""
    return location.startswith(SCHEMES)


def fetched(about: str, address: str, folder: Path) -> Path:
    """Return the local copy of a file, fetched if it is not there yet.

    Raises:
        DatasetError: it could not be fetched, in one or several tries; names the address and the
            last reason.
    """
    copy = folder / copy_name(address)
    if not copy.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # One process fetches the file, and the others wait for it
        with locked(folder / f".lock-{copy.name[:2]}"):
            if not copy.exists():
                fetch(about, address, copy)
    return copy


def copy_name(address: str) -> str:
    """Return the name of a file's copy: 16 hex digits of a hash of its address, and its name."""
    key = hashlib.sha256(address.encode()).hexdigest()[:16]
    return f"{key}-{address.rpartition('/')[2]}"


def fetch(
    about: str, address: str, copy: Path, aside: Path | None = None, room: Room | None = None
) -> None:
    """Fetch a file to `aside`, then move it to `copy` in the same folder.

    Raises:
        DatasetError: as `fetched`; `room` may raise it too.
    """
    room = room or _any_room
    aside = aside or copy.parent / f".aside-{uuid4().hex}"
    for tries in range(1, TRIES + 1):
        try:
            try:
                _copied(address, aside, room)
                # Only a whole file is moved into place, so that existing copies need no check
                fsync(aside)
                aside.replace(copy)
                fsync(copy.parent)
                return
            finally:
                aside.unlink(missing_ok=True)
        except DatasetError:
            raise
        # URLError, and the error of a connection that ends, are OSErrors
        except (OSError, ValueError) as problem:
            if isinstance(problem, DeniedError) or tries == TRIES:
                # The original error may contain the secret that is removed from its message
                kind = AbsentError if isinstance(problem, DeniedError) else DatasetError
                raise kind(
                    f"{about}: {address} cannot be fetched ({tries} "
                    f"{'try' if tries == 1 else 'tries'}): {without_secrets(str(problem))}. See "
                    "that the address is right and that this machine may reach it, or fetch the "
                    "shards by hand and name their folder."
                ) from None
        time.sleep(PAUSE_S * 2 ** (tries - 1))


def size_of(address: str) -> int | None:
    """Return the size of a file in bytes, without fetching it; None where that is not known."""
    scheme = address.partition("://")[0]
    # Whatever fails here fails again when the file is fetched, and is reported then
    with suppress(Exception):
        if scheme in EXTRAS:
            # Imported here, as few datasets need it
            import fsspec

            system, path = fsspec.core.url_to_fs(address)
            return int(system.info(path)["size"])
        request = _asked(address)
        request.method = "HEAD"
        with urllib.request.urlopen(request, timeout=SILENCE_S) as answer:
            return int(answer.headers["Content-Length"])
    return None


def _any_room(size_bytes: int) -> None:
    """Allow a file of any size."""


def without_secrets(text: str) -> str:
    """Return a text without the values of environment variables that hold secrets."""
    for name, value in os.environ.items():
        if len(value) >= SHORTEST_SECRET and any(word in name.upper() for word in SECRET):
            text = text.replace(value, "***")
    return text


def _copied(address: str, aside: Path, room: Room) -> None:
    """Download a file, or the part of it that the address names, to `aside`.

    Raises:
        DeniedError: it does not exist, may not be read, or its server gives no parts.
        OSError: it ended before it was whole.
    """
    part = PART.search(address)
    if part is None:
        _downloaded(address, aside, room, None)
        return
    whole = address[: part.start()]
    if part[1] is not None:
        _downloaded(whole, aside, room, Span(int(part[1]), int(part[2]) + 1))
        return
    _downloaded(whole, aside, room, Span(-TAIL_BYTES, None))
    with aside.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - END_BYTES))
        end = file.read()
    if end[-len(MAGIC) :] != MAGIC:
        raise DeniedError("it is not a whole Parquet file")
    footer_bytes = int.from_bytes(end[: -len(MAGIC)], "little") + END_BYTES
    if footer_bytes > size:
        _downloaded(whole, aside, room, Span(-footer_bytes, None))


def _downloaded(address: str, aside: Path, room: Room, span: Span | None) -> None:
    """Download a file, or a span of it, to `aside`.

    Raises:
        DeniedError, OSError: as `_copied`.
    """
    scheme = address.partition("://")[0]
    if scheme in EXTRAS:
        _from_bucket(address, scheme, aside, room, span)
        return
    request = _asked(address)
    if span is not None:
        request.add_header("Range", span.header())
    try:
        with urllib.request.urlopen(request, timeout=SILENCE_S) as answer:
            length = answer.headers.get("Content-Length")
            if span is not None and answer.status != http.client.PARTIAL_CONTENT:
                raise DeniedError(
                    "its server gives whole files alone, and a stream of row groups reads parts "
                    "of them; leave lanes out, and the files are fetched whole"
                )
            if length is not None:
                room(int(length))
            written = _written(answer, aside)
    except urllib.error.HTTPError as problem:
        denied = 400 <= problem.code < 500 and problem.code not in TRY_AGAIN
        # The error keeps the response open, and contains the address of a redirect
        problem.close()
        raise (DeniedError if denied else OSError)(str(problem)) from None
    # The response is no HTTP, or ended within a chunk
    except http.client.HTTPException as problem:
        raise OSError(f"{type(problem).__name__}: {problem}") from None
    _check_length(written, None if length is None else int(length))


def _written(answer: Any, aside: Path) -> int:
    """Write the body of a response to a file, and return its number of bytes."""
    # The file may exist already at its final size, to reserve its room
    with aside.open("r+b" if aside.exists() else "wb") as out:
        shutil.copyfileobj(answer, out, CHUNK_BYTES)
        return out.tell()


def _check_length(written: int, length: int | None) -> None:
    """Check that a file has its announced length, where one was announced.

    Raises:
        OSError: it ended early; says where.
    """
    if length is not None and written != length:
        raise OSError(f"it ended after {written:,} of {length:,} bytes")


def _asked(address: str) -> urllib.request.Request:
    """Return the request for a file, with the credentials of its host from a netrc file."""
    request = urllib.request.Request(address)
    host = urllib.parse.urlsplit(address).hostname
    if host is None:
        return request
    try:
        known = netrc.netrc(os.environ.get("NETRC")).authenticators(host)
    # There is no netrc file, or one that other users may read
    except (OSError, netrc.NetrcParseError):
        return request
    if known is not None:
        login = base64.b64encode(f"{known[0]}:{known[2]}".encode()).decode()
        # A redirect may lead to another host, which must not receive the credentials
        request.add_unredirected_header("Authorization", f"Basic {login}")
    return request


def _from_bucket(address: str, scheme: str, aside: Path, room: Room, span: Span | None) -> None:
    """Download a file of a bucket, or a span of it, to `aside`, by fsspec.

    Raises:
        DeniedError: it does not exist, may not be read, or the package of such buckets is missing.
        OSError: anything else.
    """
    try:
        # Imported here, as few datasets need it
        import fsspec

        system, path = fsspec.core.url_to_fs(address)
    except ImportError:
        raise DeniedError(
            f"{scheme}:// needs a package that is not installed: pip install "
            f"'weir[{EXTRAS[scheme]}]'"
        ) from None
    try:
        length = system.info(path)["size"]
        if span is None:
            room(length)
            with system.open(path, "rb") as answer:
                written = _written(answer, aside)
        else:
            first = max(0, length + span.first) if span.end is None else span.first
            end = length if span.end is None else span.end
            length = end - first
            room(length)
            written = aside.write_bytes(system.cat_file(path, start=first, end=end))
    except (FileNotFoundError, PermissionError) as problem:
        raise DeniedError(str(problem) or type(problem).__name__) from None
    except (DatasetError, OSError):
        raise
    # Each kind of bucket has its own errors, for example where no credentials are found
    except Exception as problem:  # noqa: BLE001
        raise OSError(f"{type(problem).__name__}: {problem}") from None
    _check_length(written, length)
