"""A small Slurm for timing what calls it, with its memory in $FAKE_SLURM.

    python fake_slurm.py COMMAND ...

sbatch queues what the script says and answers at once, squeue and sacct list it, every job in the
state that the file `state` names (PENDING when there is none). Nothing is ever run. Standard
library only.
"""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

HOME = Path(os.environ["FAKE_SLURM"])
QUEUE, STATE = (
    HOME / "queue",
    HOME / "state",
)  # queue: a line "id name size" per sbatch; size 0: a plain job


def sbatch(arguments: list[str]) -> None:
    script = Path(arguments[-1]).read_text()
    name = re.search(r"^#SBATCH --job-name=(\S+)", script, re.MULTILINE)
    array = re.search(r"^#SBATCH --array=0-(\d+)", script, re.MULTILINE)
    queued = QUEUE.read_text().count("\n") if QUEUE.exists() else 0
    with QUEUE.open("a") as queue:
        queue.write(
            f"{1000 + queued} {name[1] if name else '?'} {int(array[1]) + 1 if array else 0}\n"
        )
    print(f"Submitted batch job {1000 + queued}")


def squeue(arguments: list[str]) -> None:
    form = arguments[arguments.index("-o") + 1]
    for array, index, name, state in _jobs():
        words = {
            "%A": array,
            "%F": array,
            "%K": index or "N/A",
            "%T": state,
            "%r": "None",
            "%j": name,
        }
        print(re.sub("%[AFKTrj]", lambda found, words=words: words[found[0]], form))  # type: ignore[misc]


def sacct(arguments: list[str]) -> None:
    fields = arguments[arguments.index("-o") + 1].split(",")
    names = next((word[7:].split(",") for word in arguments if word.startswith("--name=")), None)
    wanted = {arguments[n + 1] for n, word in enumerate(arguments) if word == "-j"}
    if "-n" not in arguments:
        print("|".join(fields))
    for array, index, name, state in _jobs():
        if (names is None or name in names) and (not wanted or array in wanted):
            said = {
                "JobID": f"{array}_{index}" if index else array,
                "JobName": name,
                "State": state,
                "ExitCode": "0:0",
            }
            print("|".join(said.get(field, "") for field in fields))


def scontrol(_: list[str]) -> None:
    print(f"MaxArraySize            = {os.environ['FAKE_SLURM_ARRAY']}")


def _jobs() -> Iterator[tuple[str, str, str, str]]:
    """Yield job id, array index ("" for a plain job), name and state of each job."""
    state = STATE.read_text().strip() if STATE.exists() else "PENDING"
    for line in QUEUE.read_text().splitlines() if QUEUE.exists() else ():
        array, name, size = line.split()
        for index in map(str, range(int(size))) if int(size) else ("",):
            yield array, index, name, state


COMMANDS = {
    "sbatch": sbatch,
    "squeue": squeue,
    "sacct": sacct,
    "scontrol": scontrol,
}  # of the others nothing is expected

if __name__ == "__main__" and sys.argv[1] in COMMANDS:
    COMMANDS[sys.argv[1]](sys.argv[2:])
