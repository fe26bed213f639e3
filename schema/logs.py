"""Set up the log of commands: lines on standard error with time, level and module.

Standard library only. Modules use `logging.getLogger(__name__)`; only the `main` of a command calls
`configure`.
"""

import logging
import time

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# ISO 8601 in UTC, as in every file of a run folder
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
OURS = ("schema", "streams", "methods", "evals", "runner", "queries")


def configure() -> None:
    """Log to standard error: this project's modules from INFO on, others from WARNING on.

    It does nothing where the process has a handler already.
    """
    formatter = logging.Formatter(FORMAT, TIME_FORMAT)
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.INFO)
