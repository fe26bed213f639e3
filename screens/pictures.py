"""Ask another process for small pictures of test items, since the app decodes no images itself."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from schema.site import Site
from screens.item_reading import dataset_row
from screens.reading import Snapshot

ROOT = Path(__file__).resolve().parent.parent
# Seconds that the pictures of a page may take: a large test set is listed first.
MOST_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Pictures of some items: data URLs, and reasons, both by item."""

    urls: Mapping[int, str] = field(default_factory=dict)
    # Why an item has no picture, or another's
    reasons: Mapping[int, str] = field(default_factory=dict)
    # Why there are none at all; empty where there are some
    absent: str = ""


@st.cache_data(max_entries=50, show_spinner="Looking for the pictures ...")
def pictures(snapshot: Snapshot, dataset: str, items: tuple[int, ...]) -> Pictures:
    """Return the pictures of items of a dataset's test set, by their places in it."""
    request = {
        "row": json.loads(dataset_row(snapshot, dataset)),
        "data": str(Site.load().data),
        "items": items,
    }
    # The app may run in any folder, so the package's folder is put on the path.
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "streams.thumbnails"]
    try:
        child = subprocess.run(
            command,
            input=json.dumps(request),
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": path},
            timeout=MOST_S,
            check=True,
        )
    except subprocess.TimeoutExpired:
        return Pictures(absent=f"they were not read within {MOST_S:.0f} s")
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no message"])[-1]
        return Pictures(absent=f"the process that reads them ended: {last}")
    return _of(json.loads(child.stdout))


def _of(answer: Mapping[str, Any]) -> Pictures:
    """Return the answer of the process as pictures."""
    urls: dict[int, str] = {}
    reasons: dict[int, str] = {}
    for each in answer["items"]:
        if "picture" in each:
            urls[each["item"]] = each["picture"]
        if "reason" in each:
            reasons[each["item"]] = each["reason"]
    return Pictures(urls=urls, reasons=reasons, absent=answer.get("reason", ""))
