"""From rows to a definition: the last check before a job exists.

What it refuses never reaches the cluster.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from schema.checks import parts, rows, sentences, stream_rows
from schema.checks.compared import Comparison
from schema.spec import EVERYTHING, Spec
from schema.words import nearest


class RefusedError(ValueError):
    """A trial cannot run as it is declared; the message says why and what to do."""


class Resolver:
    """The definitions of some trials, fetched in one query.

    Rows that many of them share are checked once.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        trials: Sequence[int],
        data: Path | None = None,
    ) -> None:
        """`data`: the data folder, where rows are compared with their files; None: they are not."""
        self.connection = connection
        self.comparison = Comparison(data) if data is not None else None
        self.texts: dict[int, str] = {}
        if trials:
            rows = connection.execute(
                "SELECT trial, spec FROM definition WHERE trial IN (SELECT unnest(?::BIGINT[]))",
                [list(trials)],
            )
            self.texts = dict(rows.fetchall())
        # By the text before the seed: a definition with that text
        self.seedless: dict[str, Spec] = {}
        # By the names of the words: why they cannot run, or None
        self.checked: dict[tuple[str, ...], str | None] = {}

    def resolve(self, trial: int) -> tuple[Spec, str]:
        """Return the definition of a trial, parsed and as the catalog's own text.

        The text is what the audit `definition_drift` compares with later.

        Raises:
            RefusedError: its rows do not add up to something that can run.
        """
        if trial not in self.texts:
            raise RefusedError(_incomplete(self.connection, trial))
        spec = self._parsed(self.texts[trial])
        words = (spec.backbone, spec.stream, spec.mixture, spec.method, spec.recipe, spec.budget)
        names = tuple(str(word["name"]) for word in words)
        # The seed is no reason to refuse a trial, so one check does for all seeds
        if names not in self.checked:
            self.checked[names] = _objection(spec, self.comparison)
        objection = self.checked[names]
        if objection is not None:
            raise RefusedError(objection)
        return spec, self.texts[trial]

    def _parsed(self, text: str) -> Spec:
        """Parse a text, once for all texts that differ in the seed only.

        The view `definition` writes the seed last.
        """
        head, _, seed = text.rpartition(',"seed":')
        if head and seed[:-1].isdigit():
            if head not in self.seedless:
                self.seedless[head] = Spec.from_json(text)
            return self.seedless[head].with_seed(int(seed[:-1]))
        return Spec.from_json(text)


def _objection(spec: Spec, comparison: Comparison | None) -> str | None:
    """Return why a definition cannot run, or None."""
    try:
        rows.check_method(spec.method)
        rows.check_recipe(spec.recipe)
        rows.check_mixture(spec.mixture)
        sentences.check_needs(spec.method, spec.mixture)
        sentences.check_cache(spec.method, spec.mixture, spec.recipe)
        for dataset in _datasets(spec):
            rows.check_dataset(dataset)
        _check_stream(spec)
        for objection in stream_rows.objections(spec.backbone, spec.stream, spec.mixture):
            raise RefusedError(objection)
        if comparison is not None:
            for objection in comparison.objections(_rows_to_compare(spec)):
                raise RefusedError(objection)
    except (parts.PartError, RefusedError) as error:
        return str(error)
    return None


def _datasets(spec: Spec) -> list[Mapping[str, Any]]:
    """Return the rows of the datasets that a trial reads, the pool of its mixture among them."""
    rows = list(spec.stream["datasets"])
    pool = spec.mixture.get("pretraining_dataset")
    return [*rows, pool] if isinstance(pool, Mapping) else rows


def _rows_to_compare(spec: Spec) -> list[Mapping[str, Any]]:
    """Return the rows of the datasets, marked `by_class` where a task is a class of the dataset."""
    by_class = set()
    for dataset, concept in spec.stream["sequence"]["concepts"]:
        if concept != EVERYTHING:
            by_class.add(dataset)
    marked = []
    for row in _datasets(spec):
        marked.append({**row, "by_class": True} if row["name"] in by_class else row)
    return marked


def _check_stream(spec: Spec) -> None:
    """Refuse a stream with fewer concepts than tasks, or with concepts that its datasets lack."""
    stream = spec.stream
    classes = {dataset["name"]: set(dataset["classes"]) for dataset in stream["datasets"]}
    concepts = stream["sequence"]["concepts"]
    if len(concepts) < stream["tasks"]:
        raise RefusedError(
            f"stream {stream['name']!r} cuts {len(concepts)} concepts into {stream['tasks']} "
            "tasks; a task needs at least one"
        )
    where = f"sequence {stream['sequence']['name']!r} names concept"
    for dataset, concept in concepts:
        if concept != EVERYTHING and concept not in classes[dataset]:
            known = sorted(classes[dataset])
            raise RefusedError(
                f"{where} {concept!r}, "
                f"which dataset {dataset!r} does not have.{nearest(concept, known)}"
            )
    for dataset in stream["datasets"]:
        _check_labels(where, dataset, concepts)
    _check_label_spaces(stream)


def _check_labels(
    where: str, dataset: Mapping[str, Any], concepts: Sequence[Sequence[str]]
) -> None:
    """Refuse a class as a concept of a dataset whose row says of no pair which class it has."""
    form = dataset["format"]
    # A format that gets its classes from nowhere but one key of params names that key.
    keys = parts.declared("streams/formats", form, ("LABELED_BY",))
    if all(dataset["params"].get(key) for key in keys):
        return
    for name, concept in concepts:
        if name == dataset["name"] and concept != EVERYTHING:
            raise RefusedError(
                f"{where} {concept!r} of dataset {name!r}, and none of its pairs has a class: "
                f"format {form} reads classes from the column that {' and '.join(keys)} in the "
                f"row's params names, and it names none. Name it, or write {EVERYTHING!r} as the "
                "concept, which is every pair of the dataset"
            )


def _check_label_spaces(stream: Mapping[str, Any]) -> None:
    """Refuse label spaces of what has no classes, and a role whose mean would mix label spaces."""
    where = f"suite {stream['suite']['name']!r}"
    kinds = {dataset["name"]: dataset["kind"] for dataset in stream["datasets"]}
    spaces: dict[str, set[str]] = {}
    for member in stream["suite"]["members"]:
        name, space = member["dataset"], member["label_space"]
        if space != "all" and kinds[name] != "classification":
            raise RefusedError(
                f"{where}: label_space {space!r} of {name!r}, which is of kind {kinds[name]} "
                "and has no classes; use all"
            )
        spaces.setdefault(member["role"], set()).add(space)
    for role in ("adapt", "retain"):
        if len(spaces.get(role, ())) > 1:
            listed = " and ".join(sorted(spaces[role]))
            raise RefusedError(
                f"{where}: its {role} members have label spaces {listed}, and a mean over them "
                "would mix them. Give the role one of them, and the others the role probe or a "
                "suite of their own"
            )


def _incomplete(connection: duckdb.DuckDBPyConnection, trial: int) -> str:
    """Return which word of the sentence has no usable rows."""
    row = connection.execute(
        """
        SELECT t.stream, t.backbone,
               (SELECT count(*) FROM stream s JOIN sequence_concept c USING (sequence)
                WHERE s.name = t.stream),
               (SELECT count(*) FROM stream s JOIN suite_member m USING (suite)
                WHERE s.name = t.stream)
        FROM trial t WHERE t.id = ?
        """,
        [trial],
    ).fetchone()
    if row is None:
        return f"there is no trial {trial}"
    stream, backbone, concepts, members = row
    if not concepts:
        return f"stream {stream!r}: its sequence has no rows in sequence_concept"
    if not members:
        return f"stream {stream!r}: its suite has no rows in suite_member"
    return f"backbone {backbone!r} names a trial that is not done"
