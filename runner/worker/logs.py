"""Logging of a worker: each line of an attempt's log has its time, its level and its module.

A worker logs to standard error, which its job has pointed at `log.txt` of the attempt's folder.
Modules use `logging.getLogger(__name__)`; only the worker's entry, `runner.trial.learn`,
configures.
"""

import logging
import time

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# ISO 8601 in UTC, as in every file of a run folder
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def configure() -> None:
    """Send what this project's modules log to standard error; of other packages, warnings alone.

    Does nothing where the process has a handler already, so that it may be called once per attempt.
    """
    formatter = logging.Formatter(FORMAT, TIME_FORMAT)
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("runner").setLevel(logging.INFO)
