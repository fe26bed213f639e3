"""Make a catalog of many finished trials in SQL.

    python -m benchmarks.big TRIALS      (in a folder whose catalog has the vocabulary)

Trial n has the words that the digits of n name: 5 seeds of each combination of 25 methods, 8
mixtures, 5 budgets, 5 recipes, 4 backbones and 10 streams, so 1,000,000 trials are all of them. A
stream is one order of four datasets in four tasks; its suite has six more to retain. Values are
arbitrary: a level by dataset, a slope by method, and noise by trial.
"""

import sys
from pathlib import Path

from benchmarks.prepare import finished
from schema.catalog import Catalog
from schema.publishing import publish
from schema.site import Site
from schema.summaries import renew

SLICE = 50_000  # trials per transaction
WORDS = {"method": 25, "mixture": 8, "budget": 5, "recipe": 5, "backbone": 4, "stream": 10}
ADAPT, RETAIN = 4, 6
PER_TRIAL = (ADAPT + 1) * (ADAPT + RETAIN)  # results
AXES = (
    f"""INSERT INTO dataset (name, format, kind) SELECT format('big_{{}}', n), 'world', 'classification'
        FROM range({ADAPT + RETAIN}) AS numbers(n)""",
    "INSERT INTO suite (name) VALUES ('big')",
    f"""INSERT INTO suite_member (suite, dataset, role, metric)
        SELECT 'big', format('big_{{}}', n), CASE WHEN n < {ADAPT} THEN 'adapt' ELSE 'retain' END, 'top1'
        FROM range({ADAPT + RETAIN}) AS numbers(n)""",
    f"""INSERT INTO sequence (name, ordering, seed) SELECT format('big_{{}}', o), 'random', o
        FROM range({WORDS["stream"]}) AS orders(o)""",
    f"""INSERT INTO sequence_concept (sequence, position, dataset, concept)
        SELECT format('big_{{}}', o), row_number() OVER (PARTITION BY o ORDER BY hash(10 * n + o)), format('big_{{}}', n), '*'
        FROM range({WORDS["stream"]}) AS orders(o), range({ADAPT}) AS numbers(n)""",
    f"""INSERT INTO stream (name, sequence, tasks, suite)
        SELECT format('big_{{}}', o), format('big_{{}}', o), {ADAPT}, 'big' FROM range({WORDS["stream"]}) AS orders(o)""",
)
CHOSEN = {
    "stream": "name LIKE 'big_%'",
    "backbone": "pretrained IS NULL OR pretrained NOT LIKE 'trial:%'",
    "budget": "unit IN ('steps', 'pairs')",
}  # of the other words any will do
RESULTS = f"""
INSERT INTO result (trial, attempt, task, step, dataset, metric, label_space, weights, value, examples, fraction)
SELECT t.id, 1, task, 10 * (task > 0)::INTEGER, format('big_{{}}', n), 'top1', 'all', 'deployed',
       greatest(0, least(1, 0.35 + n * 0.03 + (task - 2) * (hash(t.method) % 100 / 1000.0 - 0.05)
                            + hash(t.id * 100 + task * 10 + n) % 10000 / 100000.0)), 200, 1
FROM trial t, range({ADAPT + 1}) AS tasks(task), range({ADAPT + RETAIN}) AS numbers(n)
WHERE t.id BETWEEN $first AND $last
ORDER BY t.id, task, n"""
COST = f"""
INSERT INTO cost (trial, attempt, task, phase, flops, seconds, steps, pairs)
SELECT t.id, 1, task, phase, 1e12 * (1 + hash(t.method, t.recipe) % 50), 3.5, CASE WHEN phase = 'train' THEN 10 ELSE 0 END,
       CASE WHEN phase = 'train' THEN 1280 ELSE 0 END
FROM trial t, range({ADAPT + 1}) AS tasks(task), (VALUES ('train'), ('evaluate')) AS phases(phase)
WHERE t.id BETWEEN $first AND $last AND (task > 0 OR phase = 'evaluate')
ORDER BY t.id, task, phase"""


def grid(trials: int) -> str:
    """Return the INSERT of `trials` trials."""
    divisor, chosen = 5, []  # the digit after the seed
    for word, count in WORDS.items():
        names = f"(SELECT list(name ORDER BY name)[:{count}] FROM {word} WHERE {CHOSEN.get(word, 'true')})"
        chosen.append(f"{names}[n // {divisor} % {count} + 1] AS {word}")
        divisor *= count
    return f"INSERT INTO trial BY NAME SELECT {', '.join(chosen)}, n % 5 AS seed, 'big' AS study FROM range({trials}) AS numbers(n)"


def main(site: Site, trials: int) -> None:
    """Fill the catalog of a folder."""
    catalog = Catalog(site.catalog)
    with catalog.transaction() as connection:
        for statement in (*AXES, grid(trials)):
            connection.execute(statement)
        found = connection.execute("SELECT min(id), max(id) FROM trial").fetchone()
    first, last = found or (1, 0)
    finished(site, first, last)
    for start in range(first, last + 1, SLICE):
        with catalog.transaction() as connection:
            for statement in (RESULTS, COST):
                connection.execute(
                    statement, {"first": start, "last": min(start + SLICE - 1, last)}
                )
    with catalog.open() as connection:
        renew(connection)
        publish(catalog, site.snapshot)


if __name__ == "__main__":
    main(Site.load(Path.cwd()), int(sys.argv[1]))
