"""Files by address: fetched once into the data folder, and read there like any other, so that a cursor finds every pair again.

An address is http://, https:// or file://, and numbers in braces stand for many: `https://host/pool/{00000..00127}.tar`. No
command is run (`pipe:`), because a row of a catalog may come from anyone. A copy that is there is not asked for again; delete it
to fetch anew.
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
TRIES, PAUSE_S, SILENCE_S = 4, 1.0, 60.0  # the pause doubles after each try


def is_address(location: str) -> bool:
    """Whether a location is one that can be fetched."""
    return location.startswith(SCHEMES)


def fetched(about: str, address: str, folder: Path) -> Path:
    """The local copy of a file, whole or not there.

    Raises:
        DatasetError: it could not be had after several tries, or not at all; names the address and the last reason.
    """
    key = hashlib.sha256(address.encode()).hexdigest()[:16]
    kept = folder / f"{key}-{address.rpartition('/')[2]}"
    tries = 0
    while not kept.exists():
        tries += 1
        try:
            _copied(address, kept)
        except (OSError, ValueError) as problem:  # URLError and a connection that ends are OSErrors
            denied = (
                isinstance(problem, urllib.error.HTTPError)
                and 400 <= problem.code < 500
                and problem.code not in (408, 429)
            )
            if denied or tries == TRIES:
                raise DatasetError(
                    f"{about}: {address} cannot be fetched ({tries} {'try' if tries == 1 else 'tries'}): {problem}. See that the "
                    "address is right and that this machine may reach it, or fetch the shards by hand and name their folder."
                ) from problem
            time.sleep(PAUSE_S * 2 ** (tries - 1))
    return kept


def _copied(address: str, kept: Path) -> None:
    """Fetch a file beside its place, then move it there.

    Raises:
        OSError: it is not there, or ended before it was whole.
    """
    kept.parent.mkdir(parents=True, exist_ok=True)
    aside = kept.parent / f".aside-{uuid4().hex}"
    try:
        with urllib.request.urlopen(address, timeout=SILENCE_S) as answer, aside.open("wb") as out:
            shutil.copyfileobj(answer, out, 1 << 20)
            wanted = answer.headers.get("Content-Length")
            if wanted is not None and out.tell() != int(wanted):
                raise OSError(f"it ended after {out.tell():,} of {int(wanted):,} bytes")
        fsync(aside)
        aside.replace(kept)
        fsync(kept.parent)
    finally:
        aside.unlink(missing_ok=True)
