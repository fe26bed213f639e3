"""Waiting for a cluster, never without a limit."""

import time
from collections.abc import Callable


class ClusterError(Exception):
    """The cluster does not do what it is asked; the message holds its own words."""


def wait_until(
    condition: Callable[[], object],
    what: str | Callable[[], str],
    limit_s: float = 120,
    pause_s: float = 0.05,
) -> None:
    """Until `condition` is true; a ClusterError that names `what` was waited for after `limit_s`
    seconds.
    """
    until = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > until:
            raise ClusterError(
                f"Waited {limit_s:g} s in vain for {what if isinstance(what, str) else what()}"
            )
        time.sleep(pause_s)
