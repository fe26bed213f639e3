"""sbatch, squeue, sacct, scontrol, scancel and srun of a Slurm that is one file: what a call of any of them does.

    command.py NAME FOLDER ARGUMENT...      FOLDER holds state.json, its lock, calls.jsonl and a file per submission

It knows the options and formats that Weir and submitit use, and nothing else of Slurm. Jobs of a cluster that is not on `hold` run
their batch script in the background. Standard library only and few imports: sync starts it at every pass.
"""

import fcntl
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FULL_S = 120  # how long sbatch sleeps and tries again when the queue is full
PAUSE_S = 0.02
FINAL = (
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "TIMEOUT",
    "NODE_FAIL",
    "PREEMPTED",
    "OUT_OF_MEMORY",
    "BOOT_FAIL",
    "DEADLINE",
)
NO_PARTITION = "sbatch: error: Batch job submission failed: Invalid partition name specified"
FRESH: dict[str, Any] = {
    "next_id": 1,
    "hold": True,
    "nodes": 2,  # jobs that run at once
    "partitions": ["main"],
    "kill_wait_s": 5,  # between SIGTERM and SIGKILL of scancel
    "config": {"MaxArraySize": 1001, "MaxJobCount": 10000, "MinJobAge": "300 sec"},
    "rules": [],  # what is to go wrong, in order
    "jobs": [],  # one per array task
}
Job = dict[str, Any]
Answer = tuple[int, str, str]  # exit code, stdout, stderr


@contextmanager
def changed(folder: Path) -> Iterator[dict[str, Any]]:
    """The state, for one process at a time; what the block makes of it is kept."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = folder / "state.json"
        before = path.read_text()
        state = json.loads(before)
        yield state
        after = json.dumps(state)
        if after != before:
            aside = folder / ".state.json"
            aside.write_text(after)
            aside.replace(path)


def main(name: str, folder: Path, arguments: list[str]) -> int:
    """One call, as it is, or as the test that made this cluster wants it to go wrong."""
    with changed(folder) as state:
        rule = due(state, name)
        with (folder / "calls.jsonl").open("a") as calls:
            calls.write(json.dumps([name, *arguments]) + "\n")
    if rule["do"] == "hang":
        time.sleep(rule["seconds"])
    if rule["do"] == "answer":
        code, out, err = rule["answer"]
    else:
        code, out, err = COMMANDS[name](folder, arguments)
    if rule["do"] == "accept_but_fail":
        code, out, err = (
            1,
            "",
            "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n",
        )
    if rule["do"] == "accept_and_hang":
        time.sleep(rule["seconds"])
    if rule["do"] == "kill_caller":
        kill_sync()
    sys.stdout.write(out)
    sys.stderr.write(err)
    return int(code)


def due(state: dict[str, Any], name: str) -> dict[str, Any]:
    """What is to go wrong with this call; each rule counts the calls that it lets pass and those that it still has."""
    for rule in state["rules"]:
        if rule["command"] != name or rule["times"] == 0:
            continue
        if rule["after"] > 0:
            rule["after"] -= 1
            continue
        if rule["times"] is not None:
            rule["times"] -= 1
        return dict(rule)
    return {"do": "nothing"}


def kill_sync() -> None:
    """SIGKILL to the sync that waits for this command, above submitit's Popen and `timeout`; never to a test in whose process
    sync runs."""
    pid = os.getppid()
    while pid > 1:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"runner.sync" in words:
            os.kill(pid, signal.SIGKILL)
            return
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    raise SystemExit(
        "kill_caller_after: no runner.sync above this command; run sync as a process of its own"
    )


# ---------------------------------------------------------------- submission


def sbatch(folder: Path, arguments: list[str]) -> Answer:
    """Queue the script; it is copied, as a real one is, so nobody needs the file afterwards."""
    text = Path(arguments[-1]).read_text()
    said = [shlex.split(line)[1] for line in text.splitlines() if line.startswith("#SBATCH --")]
    options = {key[2:]: value for key, _, value in (word.partition("=") for word in said)}
    indices, throttle = _indices(options.get("array", ""))
    deadline = time.monotonic() + FULL_S
    while True:
        with changed(folder) as state:
            if max(indices, default=-1) >= state["config"]["MaxArraySize"]:
                return (
                    1,
                    "",
                    "sbatch: error: Batch job submission failed: Invalid job array specification\n",
                )
            if options.get("partition", "main") not in state["partitions"]:
                return (
                    1,
                    "",
                    f"sbatch: error: invalid partition specified: {options['partition']}\n{NO_PARTITION}\n",
                )
            queued = sum(job["state"] not in FINAL for job in state["jobs"])
            if queued + max(1, len(indices)) < state["config"]["MaxJobCount"]:
                jobs = _queue(state, options["job-name"], indices, throttle)
                about = {"script": text, "options": options, "environment": dict(os.environ)}
                (folder / f"{jobs[0]['array']}.json").write_text(json.dumps(about))
                hold = state["hold"]
                break
        if time.monotonic() > deadline:
            return (
                1,
                "",
                "sbatch: error: Batch job submission failed: Resource temporarily unavailable\n",
            )
        if deadline - time.monotonic() > FULL_S - 2 * PAUSE_S:
            print(
                "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
                file=sys.stderr,
                flush=True,
            )
        time.sleep(PAUSE_S)
    if not hold:
        for job in jobs:
            start(folder, job["id"])
    return 0, f"Submitted batch job {jobs[0]['array']}\n", ""


def _indices(text: str) -> tuple[list[int], int]:
    """Of `0-4%2`: the indices and how many may run at once; of a plain job: none."""
    span, _, throttle = text.partition("%")
    first, _, last = span.partition("-")
    return list(range(int(first), int(last or first) + 1)) if first else [], int(throttle or 0)


def _queue(state: dict[str, Any], name: str, indices: list[int], throttle: int) -> list[Job]:
    array = state["next_id"]
    state["next_id"] += max(1, len(indices))
    jobs = [
        {
            "id": f"{array}_{index}" if indices else f"{array}",
            "raw": array + n,
            "array": f"{array}",
            "index": f"{index}" if indices else "",
            "throttle": throttle,
            "name": name,
            "state": "PENDING",
            "reason": "Priority",
            "exit": "0:0",
            "derived": "0:0",
            "began": False,
            "steps": [],
            "shown": ["squeue", "sacct"],
            "stubborn": False,  # sacct shows it whatever name it is asked for
        }
        for n, index in enumerate(indices or [0])
    ]
    state["jobs"] += jobs
    return jobs


# ---------------------------------------------------------------- running


def start(folder: Path, job_id: str) -> None:
    """Run a job when there is room for it, in the background."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):  # whoever reads what sbatch prints must see its end
        os.dup2(null, number)
    try:
        _supervise(folder, job_id)
    except BaseException:  # noqa: BLE001 - a child of a fork must not return into its parent's code
        import traceback

        (folder / f"{job_id}.error").write_text(traceback.format_exc())
    finally:
        os._exit(1)


def _supervise(folder: Path, job_id: str) -> None:
    while not _admitted(folder, job_id):
        time.sleep(PAUSE_S)
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        _become(folder, job_id)  # does not return
    cancelled_at = None
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            break
        if cancelled_at is None and (folder / f"{job_id}.cancel").exists():
            cancelled_at = time.monotonic()
            os.killpg(child, signal.SIGTERM)
        if cancelled_at is not None and time.monotonic() - cancelled_at > float(
            (folder / "kill_wait").read_text()
        ):
            os.killpg(child, signal.SIGKILL)
        time.sleep(PAUSE_S)
    code = os.waitstatus_to_exitcode(status)
    with changed(folder) as state:
        (job,) = found_jobs(state, job_id)
        if job["state"] == "RUNNING":  # else a test has said otherwise
            job["exit"] = f"{code}:0" if code >= 0 else f"0:{-code}"
            job["state"] = (
                "CANCELLED" if cancelled_at is not None else "FAILED" if code else "COMPLETED"
            )
            job["reason"] = "NonZeroExitCode" if code else "None"


def _admitted(folder: Path, job_id: str) -> bool:
    """Whether the job may run now. Ends this process when it may never."""
    with changed(folder) as state:
        (job,) = found_jobs(state, job_id)
        if job["state"] != "PENDING":
            os._exit(0)
        running = [other for other in state["jobs"] if other["state"] == "RUNNING"]
        mine = [other for other in running if other["array"] == job["array"]]
        if len(running) >= state["nodes"] or (job["throttle"] and len(mine) >= job["throttle"]):
            job["reason"] = "Resources"
            return False
        job |= {"state": "RUNNING", "reason": "None", "began": True, "supervisor": os.getpid()}
        (folder / "kill_wait").write_text(str(state["kill_wait_s"]))
        return True


def _become(folder: Path, job_id: str) -> None:
    """In the child: the batch script, as slurmd starts it."""
    array, _, index = job_id.partition("_")
    about = json.loads((folder / f"{array}.json").read_text())
    with changed(folder) as state:
        (job,) = found_jobs(state, job_id)
    environment = {
        key: value for key, value in about["environment"].items() if not key.startswith("SLURM")
    } | {
        "SLURM_JOB_ID": str(job["raw"]),
        "SLURM_JOB_NAME": job["name"],
        "SLURM_JOB_NODELIST": "fake1",
        "SLURM_JOB_NUM_NODES": "1",
        "SLURM_NTASKS": "1",
        "SLURM_NODEID": "0",
        "SLURM_CPUS_PER_TASK": about["options"].get("cpus-per-task", "1"),
    }
    if index:
        environment |= {"SLURM_ARRAY_JOB_ID": array, "SLURM_ARRAY_TASK_ID": index}
    script = folder / f"{job_id}.sh"
    script.write_text(about["script"])
    os.chdir(about["options"]["chdir"])
    _print_to(about["options"]["output"], array, index)
    os.execve("/bin/bash", ["bash", str(script)], environment)


def _print_to(pattern: str, array: str, index: str) -> None:
    path = pattern.replace("%A", array).replace("%a", index).replace("%j", array)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(handle, 1)
    os.dup2(handle, 2)


def srun(folder: Path, arguments: list[str]) -> Answer:
    """Become the command, as the one task of the one step."""
    words = list(arguments)
    while words and words[0].startswith("--"):
        option = words.pop(0)
        if option in ("--output", "--open-mode"):
            value = words.pop(0)
            if option == "--output":
                _print_to(
                    value,
                    os.environ.get("SLURM_ARRAY_JOB_ID", ""),
                    os.environ.get("SLURM_ARRAY_TASK_ID", ""),
                )
    os.environ |= {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_STEP_ID": "0"}
    os.execvp(words[0], words)


# ---------------------------------------------------------------- asking and cancelling


def found_jobs(state: dict[str, Any], job_id: str) -> list[Job]:
    """The job of an id, or all of an array."""
    return [job for job in state["jobs"] if job_id in (job["id"], job["array"])]


def squeue(folder: Path, arguments: list[str]) -> Answer:
    """A line per job in the format that is asked for: -o with %A %F %K %T %r %j."""
    form, lines = arguments[arguments.index("-o") + 1], []
    with changed(folder) as state:
        for job in state["jobs"]:
            if "squeue" in job["shown"]:
                words = {"%A": str(job["raw"]), "%F": job["array"], "%K": job["index"] or "N/A"}
                words |= {"%T": job["state"], "%r": job["reason"] or "None", "%j": job["name"]}
                lines.append("|".join(words[code] for code in form.split("|")) + "\n")
    return 0, "".join(lines), ""


def sacct(folder: Path, arguments: list[str]) -> Answer:
    """JobID|JobName|State|ExitCode|DerivedExitCode of jobs and their steps; array tasks that never began share a row."""
    names = (
        next(word for word in arguments if word.startswith("--name="))
        .removeprefix("--name=")
        .split(",")
    )
    rows: list[list[str]] = []
    together: dict[tuple[str, str], list[str]] = {}
    with changed(folder) as state:
        for job in state["jobs"]:
            if "sacct" not in job["shown"] or (job["name"] not in names and not job["stubborn"]):
                continue
            word = f"CANCELLED by {os.getuid()}" if job["state"] == "CANCELLED" else job["state"]
            if job["index"] and not job["began"]:
                key = (job["array"], word)
                if key not in together:
                    together[key] = row = [job["array"], job["name"], word, "0:0", "0:0"]
                    rows.append(row)
                row = together[key]
                row[0] = (
                    f"{row[0][:-1]},{job['index']}]"
                    if "[" in row[0]
                    else f"{job['array']}_[{job['index']}]"
                )
                continue
            rows.append([job["id"], job["name"], word, job["exit"], job["derived"]])
            rows += [
                [f"{job['id']}.{name}", name, said, code, ""] for name, said, code in job["steps"]
            ]
    return 0, "".join("|".join(row) + "\n" for row in rows), ""


def scontrol(folder: Path, arguments: list[str]) -> Answer:
    """show config"""
    with changed(folder) as state:
        lines = [f"{key:<24}= {value}\n" for key, value in state["config"].items()]
    return 0, "Configuration data as of today\n" + "".join(lines), ""


def scancel(folder: Path, arguments: list[str]) -> Answer:
    """SIGTERM to what runs, later SIGKILL; what waits leaves the queue, a single task of an array without a trace."""
    with changed(folder) as state:
        for job_id in arguments:
            for job in found_jobs(state, job_id):
                if job["state"] == "PENDING":
                    job |= {"state": "CANCELLED", "reason": "None"}
                    if job["index"] and job_id == job["id"]:
                        job["shown"] = []
                elif "supervisor" in job:
                    (folder / f"{job['id']}.cancel").touch()
                elif job["state"] not in FINAL:
                    job |= {"state": "CANCELLED", "reason": "None"}
    return 0, "", ""


def slurmd(folder: Path, arguments: list[str]) -> Answer:
    """Start jobs that were on hold (not a command of Slurm's)."""
    for job_id in arguments:
        start(folder, job_id)
    return 0, "", ""


COMMANDS = {
    "sbatch": sbatch,
    "squeue": squeue,
    "sacct": sacct,
    "scontrol": scontrol,
    "scancel": scancel,
    "srun": srun,
    "slurmd": slurmd,
}

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:]))
