"""Where trials are, and what is missing: from attempts, outcomes, requests and policy."""

from typing import Any

from tests.queries.recomputed.facts import SENTENCE, UNTOLD, Facts, Row, answers, grouped, named

ENDED = ("failed", "refused", "cancelled")


def newest(rows: list[Row], key: str) -> Row:
    return max(rows, key=lambda row: row[key], default={})


@answers
def exhausted(facts: Facts) -> list[Row]:
    serials = {(row["trial"], row["attempt"]): row["serial"] for row in facts["attempt"]}
    retries = {row["name"]: row["value"] for row in facts["policy"]}
    found = []
    counted = []
    for end in facts["outcome"]:
        since = max(
            (
                r["serial"]
                for r in facts["request"]
                if r["trial"] == end["trial"] and r["wish"] == "retry"
            ),
            default=0,
        )
        if end["state"] != "done" and serials[end["trial"], end["attempt"]] > since:
            counted.append(
                {
                    "trial": end["trial"],
                    "kind": "cancelled"
                    if end["state"] == "cancelled"
                    else end["kind"] or end["state"],
                }
            )
    for (trial, kind), rows in grouped(counted, "trial", "kind").items():
        allowed = retries.get(f"retries_{kind}", 0)
        if len(rows) > allowed:
            row = {"trial": trial, "measures": None, "kind": kind}
            found.append(row | {"ends": len(rows), "retries": allowed})
    return found


def states(facts: Facts) -> list[Row]:
    """Each trial with its state, the attempt that decides it and how that ended."""
    attempts = {trial: rows for (trial,), rows in grouped(facts["attempt"], "trial").items()}
    ends = {(row["trial"], row["attempt"]): row for row in facts["outcome"]}
    sent = {(row["trial"], row["attempt"]): row for row in facts["submission"]}
    wishes = {
        trial: newest(rows, "serial")
        for (trial,), rows in grouped(facts["request"], "trial").items()
    }
    over = {row["trial"] for row in exhausted(facts)}
    done = {trial for (trial, _), row in ends.items() if row["state"] == "done"}
    parents = {
        b["name"]: int(b["pretrained"].removeprefix("trial:"))
        for b in facts["backbone"]
        if (b["pretrained"] or "").startswith("trial:")
    }
    held = {row["study"] for row in facts["trial"]} & _held(facts)
    found = []
    for trial in facts.trials.values():
        tries = attempts.get(trial["id"], [])
        end = {row["attempt"]: ends.get((trial["id"], row["attempt"])) for row in tries}
        decides = max(
            [a for a, e in end.items() if e and e["state"] == "done"]
            or [a for a, e in end.items() if e is None]
            or list(end)
            or [0]
        )
        last = end.get(decides)
        wish = wishes.get(trial["id"], {})
        begins = trial["backbone"] not in parents or parents[trial["backbone"]] in done
        if last and last["state"] == "done":
            state = "done"
        elif tries and last is None:
            state = "running" if (trial["id"], decides) in sent else "submitting"
        elif wish.get("wish") == "withdraw":
            state = "withdrawn"
        elif trial["id"] in over and last:
            state = "failed" if last["state"] == "lost" else last["state"]
        else:
            state = "pending" if begins and trial["study"] not in held else "waiting"
        place = sent.get((trial["id"], decides), {}).get("folder")
        found.append(
            trial
            | {
                "state": state,
                "attempts": len(tries),
                "attempt": decides or None,
                "folder": place,
                "end": last or {},
            }
            | {"wish": wish, "parent": parents.get(trial["backbone"]), "begins": begins}
        )
    return found


def _held(facts: Facts) -> set[Any]:
    """Studies of which so many trials failed the same way, since the last `retry` request, that the rest waits for a person."""
    (most,) = (row["value"] for row in facts["policy"] if row["name"] == "same_errors")
    study = {row["id"]: row["study"] for row in facts["trial"]}
    serials = {(row["trial"], row["attempt"]): row["serial"] for row in facts["attempt"]}
    failed = []
    for end in facts["outcome"]:
        of = study.get(end["trial"])
        since = max(
            (
                r["serial"]
                for r in facts["request"]
                if r["wish"] == "retry" and study.get(r["trial"]) == of
            ),
            default=0,
        )
        if (
            of
            and end["state"] == "failed"
            and end["kind"] == "error"
            and serials[end["trial"], end["attempt"]] > since
        ):
            failed.append(
                {
                    "study": of,
                    "trial": end["trial"],
                    "message": "".join(c for c in end["message"] or "" if not c.isdigit()),
                }
            )
    return {
        study
        for (study, _), rows in grouped(failed, "study", "message").items()
        if len({r["trial"] for r in rows}) >= most
    }


@answers
def stage(facts: Facts) -> list[Row]:
    return [
        {"trial": row["id"], "attempt": row["attempt"], "state": row["state"], "after": UNTOLD}
        for row in states(facts)
    ]


@answers
def startable(facts: Facts) -> list[Row]:
    shown = ["study", "priority", *SENTENCE, "seed", "created_at"]
    return [
        {"trial": row["id"], "attempt": row["attempts"] + 1} | {name: row[name] for name in shown}
        for row in states(facts)
        if row["state"] == "pending"
    ]


@answers
def trial_state(facts: Facts) -> list[Row]:
    found = states(facts)
    of = {row["id"]: row["state"] for row in found}
    columns = (
        "trial",
        "study",
        *SENTENCE,
        "seed",
        "state",
        "attempts",
        "attempt",
        "folder",
        "created_at",
        "priority",
    )
    answer = []
    for row in found:
        more = {
            "reason": _reason(facts, row, of),
            "started_at": row["end"].get("started_at"),
            "finished_at": row["end"].get("finished_at"),
        }
        answer.append({key: row[key] for key in columns} | more)
    return answer


def _reason(facts: Facts, row: Row, of: dict[int, str]) -> object:
    if row["state"] == "done":
        return None
    if row["state"] == "withdrawn":
        return row["wish"]["reason"]
    if row["state"] in ENDED:
        return ": ".join(word for word in (row["end"]["kind"], row["end"]["message"]) if word)
    if row["state"] == "waiting" and not row["begins"]:
        return f"begins from trial {row['parent']}, which is {of.get(row['parent'], 'not in the catalog')}"
    return UNTOLD  # which trial goes first, and what a backend said: tests/runner/worker/test_sharing.py, tests/queries/test_queries_states.py


def wanted_seeds(facts: Facts) -> dict[tuple[Any, ...], int]:
    """How many seeds of a sentence are wanted: declared and not withdrawn."""
    cells = grouped(states(facts), *SENTENCE).items()
    counted = {key: sum(row["state"] != "withdrawn" for row in rows) for key, rows in cells}
    return {key: n for key, n in counted.items() if n}


@answers
def coverage(facts: Facts) -> list[Row]:
    found = []
    for key, rows in grouped(states(facts), *SENTENCE).items():
        of = [row["state"] for row in rows]
        counted = {
            "seeds_wanted": sum(state != "withdrawn" for state in of),
            "done": of.count("done"),
            "running": of.count("running") + of.count("submitting"),
            "failed": sum(of.count(state) for state in ENDED),
            "missing": of.count("pending") + of.count("waiting"),
            "withdrawn": of.count("withdrawn"),
        }
        found.append(
            named(SENTENCE, key)
            | counted
            | {"complete": counted["done"] == counted["seeds_wanted"]}
        )
    return found


@answers
def status(facts: Facts) -> list[Row]:
    spent = {trial: (hours, gpu_hours) for trial, hours, gpu_hours in _hours(facts)}
    found = []
    for (study,), rows in grouped(states(facts), "study").items():
        of, trials = [row["state"] for row in rows], {row["id"] for row in rows}
        row = {
            "study": study or "(none)",
            "trials": len(rows),
            "running": of.count("running") + of.count("submitting"),
        }
        row |= {
            state: of.count(state) for state in ("done", "pending", "waiting", *ENDED, "withdrawn")
        }
        row["results"] = sum(result["trial"] in trials for result in facts["result"])
        row["hours"] = sum(spent[trial][0] for trial in trials)
        row["gpu_hours"] = sum(spent[trial][1] for trial in trials)
        subjects = {p["subject"] for p in facts["problem"]}
        row["audits"] = (
            ", ".join(
                sorted(s for s in subjects if s.startswith("audit_") or s == "definition_drift")
            )
            or None
        )
        found.append(row)
    return found


def _hours(facts: Facts) -> list[tuple[int, float, float]]:
    """Of each trial the hours of all its attempts by the clock; of one that vanished, those of its finished tasks."""
    ends = {(row["trial"], row["attempt"]): row for row in facts["outcome"]}
    gpus = {(row["trial"], row["attempt"]): row["gpus"] for row in facts["submission"]}
    found = []
    for trial in facts.trials:
        hours = gpu_hours = 0.0
        for attempt in (row["attempt"] for row in facts["attempt"] if row["trial"] == trial):
            end = ends.get((trial, attempt), {})
            if (
                end.get("state") in ("done", "failed", "cancelled")
                and end["started_at"] is not None
                and end["finished_at"] is not None
            ):
                seconds = max((end["finished_at"] - end["started_at"]).total_seconds(), 0)
            else:
                charged = [
                    c
                    for c in facts["cost"]
                    if (c["trial"], c["attempt"]) == (trial, attempt) and not c["shared"]
                ]
                seconds = sum(c["seconds"] for c in charged)
            hours += seconds / 3600
            gpu_hours += seconds / 3600 * gpus.get((trial, attempt), 0)
        found.append((trial, hours, gpu_hours))
    return found


@answers
def seeds(facts: Facts) -> list[Row]:
    ends = {row["trial"]: row for row in facts.ends}
    found = []
    for row in trial_state(facts):
        end = ends.get(row["trial"])
        measures = {
            name: end[name] if end else None
            for name in ("a_ka", "a_zs", "gm", "d_ka", "d_zs", "zs_ratio", "spent_s")
        }
        words = {key: row[key] for key in (*SENTENCE, "seed", "study", "trial", "state", "reason")}
        found.append(words | measures | {"spent_gflops": end["spent_flops"] / 1e9 if end else None})
    return found


@answers
def attempts(facts: Facts) -> list[Row]:
    found = []
    for row in facts["attempt"]:
        key = (row["trial"], row["attempt"])
        sent = next((s for s in facts["submission"] if (s["trial"], s["attempt"]) == key), {})
        end = next((o for o in facts["outcome"] if (o["trial"], o["attempt"]) == key), {})
        said = {
            name: row[name]
            for name in (
                "trial",
                "attempt",
                "code",
                "created_at",
                "spec_id",
                "spec",
                "measures",
                "retrains",
            )
        }
        said |= {
            name: sent.get(name) for name in ("backend", "job_id", "gpus", "folder", "submitted_at")
        }
        ended = (
            "state",
            "kind",
            "message",
            "host",
            "device",
            "versions",
            "commit",
            "started_at",
            "finished_at",
            "log_tail",
        )
        said |= {name: end.get(name) for name in ended}
        both = end.get("started_at") and end.get("finished_at")
        found.append(
            said
            | {
                "seconds": (end["finished_at"] - end["started_at"]).total_seconds()
                if both
                else None
            }
        )
    return found
