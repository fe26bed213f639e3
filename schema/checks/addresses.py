"""Refuse addresses that contain a secret, as rows are copied into definitions, logs and reports.

Standard library only. Credentials belong in the environment of the job.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from schema.checks.dataset_rows import RowError

# The query and fragment of an address, which may hold a signature or token
SIGNS = "?#"


def check_addresses(name: str, location: Any, params: Mapping[str, Any]) -> None:
    """Refuse a dataset row whose address contains credentials; the message does not repeat them.

    Raises:
        RowError: the location, or a sub-location in `params`, has a user, a password or a query.
    """
    if not isinstance(location, str) or "://" not in location:
        return
    places = {"location": location}
    for key in ("train", "test"):
        if isinstance(params.get(key), str):
            places[f"params.{key}"] = params[key]
    for key, text in places.items():
        carried = ""
        if "@" in _authority(text):
            carried = "a user or a password"
        elif any(sign in text for sign in SIGNS):
            carried = "a query, which may be a signature or a token"
        if carried:
            raise RowError(
                f"dataset {name!r}: {key} is an address that carries {carried}, and rows are "
                "copied into definitions, logs and reports. Write the address alone; credentials "
                "come from the environment of the job (AWS_ACCESS_KEY_ID, "
                "GOOGLE_APPLICATION_CREDENTIALS, a netrc file), and a secret that has been "
                "in a row should be changed."
            )


def _authority(text: str) -> str:
    """Return the part of an address between `://` and the path."""
    try:
        return urlsplit(text).netloc
    except ValueError:
        # It is no valid address, for example with a bracket that is not closed
        return text
