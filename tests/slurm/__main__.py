"""A throw-away Slurm cluster by hand.

. "$(python -m tests.slurm start /tmp/somewhere)"     then sbatch, squeue, sacct and scontrol of
this shell go to it python -m tests.slurm stop /tmp/somewhere              also for the folder of a
test run that was killed, /tmp/weir-...
"""

import argparse
import shutil
import sys
from pathlib import Path

from tests.slurm.cluster import Cluster, ClusterError


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.slurm",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser(
        "start", help="start one in a new folder, and print the file of its environment"
    )
    stop = commands.add_parser(
        "stop", help="end all processes of the one in a folder, and remove the folder"
    )
    for each in (start, stop):
        each.add_argument("folder", type=Path)
    start.add_argument("--nodes", type=int, default=2)
    start.add_argument(
        "--cpus", type=int, default=8, help="of each node; they need not exist (default: 8)"
    )
    start.add_argument(
        "--gpus", type=int, default=4, help="of each node; they need not exist (default: 4)"
    )
    start.add_argument(
        "--no-accounting",
        dest="accounting",
        action="store_false",
        help="no database: faster, and no sacct",
    )
    start.add_argument("--extra", default="", help="more lines for slurm.conf")
    stop.add_argument("--keep", action="store_true", help="keep the folder, with its logs")
    chosen = vars(parser.parse_args())
    command, keep = chosen.pop("command"), chosen.pop("keep", False)
    try:
        cluster = Cluster(**chosen)
        if command == "start":
            cluster.start()
            print(cluster.folder / "environment.sh")
        else:
            cluster.stop()
            if not keep and (cluster.folder / "environment.sh").exists():
                shutil.rmtree(cluster.folder)
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
