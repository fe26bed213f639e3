"""`tell.py NOTIFY FILE`: hand the message in a file, which goes then, to a URL or a command.

sync starts it and does not wait (`runner.scheduler.notify`). Standard library only, so that it
starts in a moment. What could not be told is printed, with the time, for notify.log.
"""

import json
import logging
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

LOG = logging.getLogger("runner.notify")
WAIT_S = 20


def main() -> int:
    """Return exit code 0; 1 when the listener did not take the message."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    target, path = json.loads(sys.argv[1]), Path(sys.argv[2])
    message = path.read_bytes()
    path.unlink()
    failed = False
    if "url" in target:
        failed = not _post(target["url"], message)
    if "command" in target:
        failed = not _run(target["command"], message) or failed
    return int(failed)


def _post(url: str, message: bytes) -> bool:
    request = urllib.request.Request(url, message, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as response:
            LOG.info("%s took %d bytes: %d", url, len(message), response.status)
        return True
    except (urllib.error.URLError, OSError, ValueError) as error:
        LOG.warning("%s did not take the message: %s", url, error)
        return False


def _run(command: str, message: bytes) -> bool:
    """Run a shell command with the message on its standard input."""
    try:
        ended = subprocess.run(command, shell=True, input=message, timeout=WAIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        LOG.warning("the command did not take the message: %s", error)
        return False
    if ended.returncode:
        LOG.warning("the command ended with exit code %d", ended.returncode)
    return ended.returncode == 0


if __name__ == "__main__":
    raise SystemExit(main())
