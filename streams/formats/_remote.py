"""Files by address: fetched once into the data folder, and read there like any other, so that a
cursor finds every pair again.

An address is http://, https:// or file://, and numbers in braces stand for many:
`https://host/pool/{00000..00127}.tar`. No command is run (`pipe:`), because a row of a catalog may
come from anyone. A copy that is there is not asked for again; delete it to fetch anew.
"""

import hashlib
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path
from uuid import uuid4

from schema.files import fsync
from streams import DatasetError

SCHEMES = ("http://", "https://", "file://")
# The pause doubles after each try.
TRIES, PAUSE_S, SILENCE_S = 4, 1.0, 60.0


def is_address(location: str) -> bool:
    """Tell whether a location is one that can be fetched."""
    return location.startswith(SCHEMES)


def fetched(about: str, address: str, folder: Path) -> Path:
    """Return the local copy of a file, whole or not there.

    Raises:
        DatasetError: it could not be had after several tries, or not at all; names the address and
            the last reason.
    """
    key = hashlib.sha256(address.encode()).hexdigest()[:16]
    copy = folder / f"{key}-{address.rpartition('/')[2]}"
    tries = 0
    while not copy.exists():
        tries += 1
        try:
            _copied(address, copy)
        # Refused for good (no such file, no right to it), or worth another try.
        # URLError, and the error of a connection that ends, are OSErrors.
        except (OSError, ValueError) as problem:
            denied = (
                isinstance(problem, urllib.error.HTTPError)
                and 400 <= problem.code < 500
                and problem.code not in (408, 429)
            )
            if denied or tries == TRIES:
                raise DatasetError(
                    f"{about}: {address} cannot be fetched ({tries} "
                    f"{'try' if tries == 1 else 'tries'}): {problem}. See that the "
                    "address is right and that this machine may reach it, or fetch the shards by "
                    "hand and name their folder."
                ) from problem
            time.sleep(PAUSE_S * 2 ** (tries - 1))
    return copy


def _copied(address: str, copy: Path) -> None:
    """Fetch a file beside its place, then move it there.

    Raises:
        OSError: it is not there, or ended before it was whole.
    """
    copy.parent.mkdir(parents=True, exist_ok=True)
    aside = copy.parent / f".aside-{uuid4().hex}"
    try:
        with urllib.request.urlopen(address, timeout=SILENCE_S) as answer, aside.open("wb") as out:
            shutil.copyfileobj(answer, out, 1 << 20)
            length = answer.headers.get("Content-Length")
            if length is not None and out.tell() != int(length):
                raise OSError(f"it ended after {out.tell():,} of {int(length):,} bytes")
        # Only a whole file is moved into place, so that what is there needs no check.
        fsync(aside)
        aside.replace(copy)
        fsync(copy.parent)
    finally:
        aside.unlink(missing_ok=True)
