"""Memory that trials ran out of: the host's is raised by sync, the GPU's is a person's decision.

How a step is computed (`compute_params` of a recipe) changes what it needs of a GPU and not what it
learns, but it is a row of the catalog, so sync only says what would fit by the profile.
"""

import json

import duckdb

from schema.site import Site

# Where the advice begins in a message: failures that differ in it alone are one failure
ADVICE = "; by the profile "
SHOWN = 3
# Recipes of as many pairs and the same precision that save memory, and what they need of a trial's
# backbone, mixture and method
SAVING = """
SELECT t.backbone, r.name, r.compute_params::VARCHAR, p.peak_bytes, own.peak_bytes
FROM trial t
JOIN recipe o ON o.name = t.recipe
JOIN recipe r ON r.batch_pairs = o.batch_pairs AND r.precision = o.precision AND r.name <> o.name
JOIN price p ON p.backbone = t.backbone AND p.mixture = t.mixture AND p.method = t.method
            AND p.recipe = r.name
LEFT JOIN price own ON own.backbone = t.backbone AND own.mixture = t.mixture
                   AND own.method = t.method AND own.recipe = t.recipe
WHERE t.id = ? AND p.peak_bytes IS NOT NULL
  AND (r.compute_params->>'chunk_pairs' IS NOT NULL
       OR r.compute_params->>'checkpointing' IS NOT NULL)
ORDER BY p.peak_bytes DESC, r.name
"""

# Trials that ran out of the host's memory after the newest request for a retry, and are not over
SHORT = """
SELECT o.trial, any_value(t.backbone), count(*), a.measures
FROM outcome o
JOIN attempt a USING (trial, attempt)
JOIN trial t ON t.id = o.trial
LEFT JOIN (
    SELECT trial, max(serial) AS retried FROM request
    WHERE wish = 'retry' AND suite IS NULL GROUP BY trial
) r USING (trial)
WHERE o.kind = 'oom_host' AND a.serial > coalesce(r.retried, 0)
GROUP BY o.trial, a.measures
"""
# Of these the ones that wait or run again
AGAIN = f"""
SELECT s.* EXCLUDE (measures) FROM ({SHORT}) s
JOIN stage g ON g.trial = s.trial
WHERE s.measures IS NULL AND g.state IN ('pending', 'running', 'submitting')
ORDER BY s.trial
"""


def short_of_memory(
    connection: duckdb.DuckDBPyConnection, trials: list[int]
) -> dict[tuple[int, str | None], int]:
    """Return (trial, suite that was measured) -> how often it ran out of the host's memory.

    The suite is None where the trial was trained. Ends before the newest request of a person for a
    retry do not count.
    """
    if not trials:
        return {}
    rows = connection.execute(
        f"SELECT * FROM ({SHORT}) WHERE trial IN (SELECT unnest(?::BIGINT[]))", [trials]
    ).fetchall()
    return {(trial, measures): times for trial, _, times, measures in rows}


def raised(site: Site, connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return a sentence per backbone and amount of memory of trials that are given more of it."""
    if not any(needs.raises for needs in (site.needs, *site.by_backbone.values())):
        # No trial is given more on this site, and the question takes a tenth of a quiet pass
        return []
    groups: dict[tuple[str, float], list[int]] = {}
    for trial, backbone, times in connection.execute(AGAIN).fetchall():
        needs = site.needs_of(backbone)
        memory_gb = needs.raised(times).memory_gb
        if memory_gb > needs.memory_gb:
            groups.setdefault((backbone, memory_gb), []).append(trial)
    lines = []
    for (backbone, memory_gb), trials in groups.items():
        needs = site.needs_of(backbone)
        listed = ", ".join(map(str, trials[:SHOWN]))
        if len(trials) > SHOWN:
            listed += f" and {len(trials) - SHOWN} more"
        lines.append(
            f"trials {listed} of {backbone} ran out of the {needs.memory_gb:g} GB of memory_gb and "
            f"are given {memory_gb:g} GB now (at most {needs.memory_gb_most:g}, memory_gb_most); "
            "fewer of them may run at once. Raise memory_gb in site.toml to have the others begin "
            "with more"
        )
    return lines


def advice(site: Site, connection: duckdb.DuckDBPyConnection, trial: int) -> str:
    """Return what to add to the message of a trial that ran out of the GPU's memory.

    It names `compute_params` that would fit by the profile: into `gpu_memory_gb` of site.toml, or,
    where that is not said, into less than the trial's own recipe needs. Where the catalog has none
    it says how to find some.
    """
    fitting = []
    for backbone, name, params, peak_bytes, own_bytes in connection.execute(
        SAVING, [trial]
    ).fetchall():
        most_bytes = 1e9 * site.needs_of(backbone).gpu_memory_gb or own_bytes or 0
        if peak_bytes < most_bytes:
            words = ", ".join(f"{key} {value}" for key, value in json.loads(params).items())
            fitting.append(f"{words} ({peak_bytes / 1e9:.2f} GB, as in recipe {name!r})")
    if not fitting:
        return (
            f"{ADVICE}of no recipe it is known to fit: insert one with chunk_pairs or "
            "checkpointing in compute_params, and see with: python -m runner.sync --dry-run "
            "--profile"
        )
    return (
        f"{ADVICE}it would fit with compute_params of {' or of '.join(fitting[:SHOWN])}; insert "
        "the trial with such a recipe"
    )
