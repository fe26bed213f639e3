"""Run the parts that are prepared for a GPU, within some minutes, and keep what came of them.

    python -m benchmarks.gpu [PART ...] [--minutes 10] [--rehearse] [--out FILE]

Without a GPU nothing is run, and nothing is recorded: `--rehearse` then runs every part at next to
no size on the CPU, to see that it works, and records nothing either. A part that the time does not
suffice for is left out, and the record says so.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.parts import PARTS, Answer, Part, Size, chosen, function
from benchmarks.measuring import surroundings

RECORD = Path(__file__).parent / "record.json"

# A rehearsal may share a few cores of a CPU with others
SLOWER = 8


def main() -> int:
    """Run the chosen parts; return 1 where a check fails."""
    arguments = _arguments()
    if arguments.alone:
        # A part's own process
        answer = function(arguments.alone)(Size(rehearsal=arguments.rehearse))
        arguments.out.write_text(json.dumps(answer.as_dict()))
        return 0
    if not torch.cuda.is_available() and not arguments.rehearse:
        print("This machine has no GPU: nothing is run, and the record stays as it is.")
        print(
            "`python -m benchmarks.gpu --rehearse` runs every part on the CPU, at next to no size."
        )
        return 0
    parts = chosen(arguments.parts)
    record = _run_all(parts, 60 * arguments.minutes, arguments.rehearse)
    if arguments.rehearse:
        print("A rehearsal: its numbers say nothing, and nothing is recorded.")
    else:
        _keep(record, arguments.out or RECORD)
    return int(any(_failed(part) for part in record["parts"].values()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    listed = "; ".join(f"{part.name}: {part.about}" for part in PARTS)
    parser.add_argument("parts", nargs="*", help=f"all if none is named. {listed}")
    parser.add_argument("--minutes", type=float, default=10.0, help="for all parts together")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, at next to no size")
    parser.add_argument("--out", type=Path, help="the record; default: benchmarks/gpu/record.json")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    try:
        chosen(arguments.parts)
    except ValueError as error:
        parser.error(str(error))
    return arguments


def _run_all(parts: list[Part], seconds: float, rehearsal: bool) -> dict[str, Any]:
    """Return the record of all parts, of which the last are left out if the time is over."""
    ends = time.monotonic() + seconds
    record: dict[str, Any] = {
        "surroundings": dict(
            surroundings(f"python -m benchmarks.gpu {' '.join(sys.argv[1:])}".strip())
        ),
        "device": "CPU" if rehearsal else torch.cuda.get_device_name(),
        "parts": {},
    }
    for part in parts:
        left_s = ends - time.monotonic()
        if left_s < part.least_s:
            record["parts"][part.name] = {"left_out": f"{left_s:.0f} s were left of {seconds:.0f}"}
        else:
            began = time.monotonic()
            most_s = part.most_s * (SLOWER if rehearsal else 1)
            answer = _run(part, min(most_s, left_s), rehearsal)
            record["parts"][part.name] = answer | {"seconds": round(time.monotonic() - began, 1)}
        print(f"{part.name}: {_summary(record['parts'][part.name])}", flush=True)
    return record


def _run(part: Part, seconds: float, rehearsal: bool) -> dict[str, Any]:
    """Run a part in a separate process, which may fail or take too long; return its outcome."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "answer.json"
        command = [sys.executable, "-m", "benchmarks.gpu", "--alone", part.name, "--out", str(out)]
        command += ["--rehearse"] if rehearsal else []
        # A group of its own, so that what it has started ends with it
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            words, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return {"failed": f"not done after {seconds:.0f} s"}
        if process.returncode or not out.exists():
            return {"failed": words.strip()[-2000:] or f"exit code {process.returncode}"}
        answer: dict[str, Any] = json.loads(out.read_text())
        return answer


def _failed(part: dict[str, Any]) -> bool:
    return "failed" in part or not part.get("holds", True)


def _summary(part: dict[str, Any]) -> str:
    """Return a line about the outcome of a part."""
    if "left_out" in part:
        return f"left out: {part['left_out']}"
    if "failed" in part:
        return f"failed after {part['seconds']} s: {part['failed']}"
    verdict = "holds" if part["holds"] else "DOES NOT HOLD"
    lines = [f"{verdict}, {len(part['rows'])} rows in {part['seconds']} s"]
    lines += [f"  {json.dumps(row)}" for row in part["rows"]]
    return "\n".join(lines + [f"  {remark}" for remark in part["remarks"]])


def _keep(record: dict[str, Any], path: Path) -> None:
    """Write the record; parts that were not run keep their earlier record."""
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    parts = (
        kept.get("parts", {}) | record["parts"]
        if kept.get("device") == record["device"]
        else record["parts"]
    )
    path.write_text(json.dumps(record | {"parts": parts}, indent=1) + "\n")
    print(f"kept in {path}; `python -m docpages.generate` shows it in docs/accelerators.md")


__all__ = ["Answer", "main"]

if __name__ == "__main__":
    raise SystemExit(main())
