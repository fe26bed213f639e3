"""The files of a split at addresses: which they are, and how all of them are fetched whole.

Any pair may follow any other only where all files are on this machine. So before they are fetched
it is said how many bytes that takes, and which order avoids it.
"""

import logging
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from streams import DatasetError
from streams.formats import _remote
from streams.formats._places import each_of

# How many files are fetched at once.
FETCHERS = 8
# Of how many files, spread over all, the size is asked for before they are fetched.
ASKED = 4
GB = 1e9

log = logging.getLogger(__name__)


def addresses_of(about: str, location: str, pattern: str, ending: str) -> tuple[str, str]:
    """Return the addresses of files, with numbers in braces, and their common beginning.

    `pattern` is the sub-location of the split, and `ending` that of its files.

    Raises:
        DatasetError: the address names no such files.
    """
    where = location
    if pattern:
        where = f"{location.rstrip('/')}/{pattern}"
    if not where.endswith(ending):
        raise DatasetError(
            f"{about}: {where} is an address, where no folder can be listed; it must name "
            f"{ending} files, as https://host/pool/{{00000..00127}}{ending}, with location alone "
            "or with train and test"
        )
    root = location if pattern else location.partition("{")[0].rpartition("/")[0]
    return where, root.rstrip("/") + "/"


def fetched_all(about: str, where: str, root: str, folder: Path) -> tuple[list[str], list[Path]]:
    """Return files at addresses, fetched to `folder` if needed, and what they are called.

    A name is relative to `root`, without its ending.

    Raises:
        DatasetError: a file cannot be fetched, or all of them need more than the disk has.
    """
    addresses = list(each_of(where))
    missing = [one for one in addresses if not (folder / _remote.copy_name(one)).exists()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        _announce(about, where, missing, folder)
        with ThreadPoolExecutor(FETCHERS) as threads:
            list(threads.map(partial(_remote.fetched, about, folder=folder), missing))
    stems = []
    for address in addresses:
        stems.append(address.removeprefix(root).rpartition(".")[0])
    return stems, [folder / _remote.copy_name(address) for address in addresses]


def _announce(about: str, where: str, missing: Sequence[str], folder: Path) -> None:
    """Log what will be fetched, and how to avoid it.

    Raises:
        DatasetError: it does not fit on the disk.
    """
    looked = missing[:: -(-len(missing) // ASKED)]
    sizes = [size for size in map(_remote.size_of, looked) if size is not None]
    free_bytes = shutil.disk_usage(folder).free
    text = f"{about}: {len(missing)} files of {where} are fetched whole before the first pair"
    amount = "their sizes are not known"
    if sizes:
        needed_bytes = sum(sizes) / len(sizes) * len(missing)
        amount = f"about {needed_bytes / GB:.3g} GB"
        if needed_bytes > free_bytes:
            raise DatasetError(
                f"{text}, {amount}, and {folder} has room for {free_bytes / GB:.3g} GB. With lanes "
                "in the row's params each is fetched when its turn comes, within cache_gb of "
                "site.toml; or name a data folder on a larger disk."
            )
    log.warning(
        "%s, %s, to %s. With lanes in the row's params each is fetched when its turn comes.",
        text,
        amount,
        folder,
    )
