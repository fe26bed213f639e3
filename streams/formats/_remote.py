"""Files by address: fetched whole, and read like any other.

An address is http://, https://, file://, s3:// or gs://, and numbers in braces stand for many:
`https://host/pool/{00000..00127}.tar`. Buckets are read by fsspec, of the extras `s3` and `gs`;
the others by the standard library, so that they need no package. No command is run (`pipe:`),
because a row of a catalog may come from anyone. Credentials come from the environment alone: those
of AWS and Google by their own variables, those of a web server from a netrc file, by host, and they
are not carried to another host. No message repeats one.

A file is written aside, flushed and moved into place when it is whole: as long as the server said,
or as the bucket says. So what has been killed, cut off or filled the disk is never used.
"""

import base64
import hashlib
import http.client
import netrc
import os
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from schema.files import fsync
from streams import DatasetError
from streams.formats._disk import locked

# What each extra package of buckets is called in pyproject.toml
EXTRAS = {"s3": "s3", "gs": "gs"}
SCHEMES = ("http://", "https://", "file://", "s3://", "gs://")
# The pause doubles after each try.
TRIES, PAUSE_S, SILENCE_S = 4, 1.0, 60.0
CHUNK_BYTES = 1 << 20
# Answers of a server that says no for good, beside those that ask for another try.
TRY_AGAIN = (408, 425, 429)
# Names of variables whose values are secrets, and how short one may be and still be hidden.
SECRET = ("KEY", "SECRET", "TOKEN", "PASSWORD", "CREDENTIAL", "AUTHORIZATION")
SHORTEST_SECRET = 6
# Told how many bytes will be written before any is; raises where there is no room.
Room = Callable[[int], None]


class DeniedError(OSError):
    """A file that will not be had by another try."""


class AbsentError(DatasetError):
    """A file that is not at its address, or that this machine has no right to."""


def is_address(location: str) -> bool:
    """Tell whether a location is one that can be fetched."""
    return location.startswith(SCHEMES)


def fetched(about: str, address: str, folder: Path) -> Path:
    """Return the local copy of a file, whole or not there; what is there is not asked for anew.

    Raises:
        DatasetError: it could not be had after several tries, or not at all; names the address and
            the last reason.
    """
    copy = folder / copy_name(address)
    if not copy.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # One process fetches it for all
        with locked(folder / f".lock-{copy.name[:2]}"):
            if not copy.exists():
                fetch(about, address, copy)
    return copy


def copy_name(address: str) -> str:
    """Return what the copy of a file is called: 16 hex digits of its address, and its name."""
    key = hashlib.sha256(address.encode()).hexdigest()[:16]
    return f"{key}-{address.rpartition('/')[2]}"


def fetch(
    about: str, address: str, copy: Path, aside: Path | None = None, room: Room | None = None
) -> None:
    """Fetch a file to `copy`, by way of `aside` in the same folder.

    Raises:
        DatasetError: as `fetched`; `room` may raise it too.
    """
    room = room or _any_room
    aside = aside or copy.parent / f".aside-{uuid4().hex}"
    for tries in range(1, TRIES + 1):
        try:
            try:
                _copied(address, aside, room)
                # Only a whole file is moved into place, so that what is there needs no check
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
                # The error behind it may hold the secret that its words are rid of
                kind = AbsentError if isinstance(problem, DeniedError) else DatasetError
                raise kind(
                    f"{about}: {address} cannot be fetched ({tries} "
                    f"{'try' if tries == 1 else 'tries'}): {without_secrets(str(problem))}. See "
                    "that the address is right and that this machine may reach it, or fetch the "
                    "shards by hand and name their folder."
                ) from None
        time.sleep(PAUSE_S * 2 ** (tries - 1))


def _any_room(size_bytes: int) -> None:
    """Take no room for a file: it may have as many bytes as it has."""


def without_secrets(text: str) -> str:
    """Return a text without the values of the environment's variables that hold secrets."""
    for name, value in os.environ.items():
        if len(value) >= SHORTEST_SECRET and any(word in name.upper() for word in SECRET):
            text = text.replace(value, "***")
    return text


def _copied(address: str, aside: Path, room: Room) -> None:
    """Write a file aside.

    Raises:
        DeniedError: it is not there, or may not be had.
        OSError: it ended before it was whole.
    """
    scheme = address.partition("://")[0]
    if scheme in EXTRAS:
        _from_bucket(address, scheme, aside, room)
        return
    try:
        with urllib.request.urlopen(_asked(address), timeout=SILENCE_S) as answer:
            length = answer.headers.get("Content-Length")
            if length is not None:
                room(int(length))
            written = _written(answer, aside)
    except urllib.error.HTTPError as problem:
        denied = 400 <= problem.code < 500 and problem.code not in TRY_AGAIN
        # The error holds the answer open, and with it the address that it was sent on to
        problem.close()
        raise (DeniedError if denied else OSError)(str(problem)) from None
    # What is no answer of HTTP, or ended within a part whose length was said
    except http.client.HTTPException as problem:
        raise OSError(f"{type(problem).__name__}: {problem}") from None
    _check_length(written, None if length is None else int(length))


def _written(answer: Any, aside: Path) -> int:
    """Write what an answer brings to a file, and return how many bytes that were."""
    # It may be there already, as long as it will be, so that its room is taken
    with aside.open("r+b" if aside.exists() else "wb") as out:
        shutil.copyfileobj(answer, out, CHUNK_BYTES)
        return out.tell()


def _check_length(written: int, length: int | None) -> None:
    """Refuse a file that ended early.

    Raises:
        OSError: says where.
    """
    if length is not None and written != length:
        raise OSError(f"it ended after {written:,} of {length:,} bytes")


def _asked(address: str) -> urllib.request.Request:
    """Return the request of a file, with what a netrc file says of its host."""
    request = urllib.request.Request(address)
    host = urllib.parse.urlsplit(address).hostname
    if host is None:
        return request
    try:
        known = netrc.netrc(os.environ.get("NETRC")).authenticators(host)
    # There is none, or one that others may read
    except (OSError, netrc.NetrcParseError):
        return request
    if known is not None:
        login = base64.b64encode(f"{known[0]}:{known[2]}".encode()).decode()
        # A redirect may lead to another host, which must not see it
        request.add_unredirected_header("Authorization", f"Basic {login}")
    return request


def _from_bucket(address: str, scheme: str, aside: Path, room: Room) -> None:
    """Write a file of a bucket aside, by fsspec.

    Raises:
        DeniedError: it is not there, may not be had, or the package of such buckets is missing.
        OSError: anything else.
    """
    try:
        # Imported here, as few need it
        import fsspec

        system, path = fsspec.core.url_to_fs(address)
    except ImportError:
        raise DeniedError(
            f"{scheme}:// needs a package that is not installed: pip install "
            f"'weir[{EXTRAS[scheme]}]'"
        ) from None
    try:
        length = system.info(path)["size"]
        room(length)
        with system.open(path, "rb") as answer:
            written = _written(answer, aside)
    except (FileNotFoundError, PermissionError) as problem:
        raise DeniedError(str(problem) or type(problem).__name__) from None
    except (DatasetError, OSError):
        raise
    # Each kind of bucket has errors of its own, as where no credentials are found
    except Exception as problem:  # noqa: BLE001
        raise OSError(f"{type(problem).__name__}: {problem}") from None
    _check_length(written, length)
