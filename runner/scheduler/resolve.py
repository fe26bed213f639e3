"""From rows to a definition: the last door before a job exists. What it refuses never reaches the cluster."""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from schema.checks import parts, rows, sentences
from schema.spec import EVERYTHING, Spec
from schema.words import nearest


class RefusedError(ValueError):
    """A trial cannot run as it is declared; the message says why and what to do."""


class Resolver:
    """The definitions of some trials, fetched in one query; rows that many of them share are checked once."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, trials: Sequence[int]) -> None:
        self.connection = connection
        definitions = (
            "SELECT trial, spec FROM definition WHERE trial IN (SELECT unnest(?::BIGINT[]))"
        )
        self.texts: dict[int, str] = dict(
            connection.execute(definitions, [list(trials)]).fetchall() if trials else []
        )
        self.seedless: dict[
            str, Spec
        ] = {}  # the text before the seed -> a definition with that text
        self.checked: dict[
            tuple[str, ...], str | None
        ] = {}  # the names of the words -> why they cannot run

    def resolve(self, trial: int) -> tuple[Spec, str]:
        """The definition of a trial, parsed and as the catalog's own text (which `definition_drift` compares).

        Raises:
            RefusedError: its rows do not add up to something that can run.
        """
        if trial not in self.texts:
            raise RefusedError(_incomplete(self.connection, trial))
        spec = self._parsed(self.texts[trial])
        words = (spec.stream, spec.mixture, spec.method, spec.recipe, spec.budget)
        names = tuple(str(word["name"]) for word in words)
        if names not in self.checked:
            self.checked[names] = _objection(spec)
        objection = self.checked[names]
        if objection is not None:
            raise RefusedError(objection)
        return spec, self.texts[trial]

    def _parsed(self, text: str) -> Spec:
        """The definition of a text, read once for all that differ in the seed only (which `definition` writes last)."""
        head, _, seed = text.rpartition(',"seed":')
        if head and seed[:-1].isdigit():
            if head not in self.seedless:
                self.seedless[head] = Spec.from_json(text)
            return self.seedless[head].with_seed(int(seed[:-1]))
        return Spec.from_json(text)


def _objection(spec: Spec) -> str | None:
    """Why a definition cannot run, or None."""
    try:
        rows.check_method(spec.method)
        rows.check_recipe(spec.recipe)
        rows.check_mixture(spec.mixture)
        sentences.check_needs(spec.method, spec.mixture)
        sentences.check_cache(spec.method, spec.mixture, spec.recipe)
        for dataset in spec.stream["datasets"]:
            rows.check_dataset(dataset)
        _check_stream(spec)
    except (parts.PartError, RefusedError) as error:
        return str(error)
    return None


def _check_stream(spec: Spec) -> None:
    stream = spec.stream
    classes = {dataset["name"]: set(dataset["classes"]) for dataset in stream["datasets"]}
    concepts = stream["sequence"]["concepts"]
    if len(concepts) < stream["tasks"]:
        raise RefusedError(
            f"stream {stream['name']!r} cuts {len(concepts)} concepts into {stream['tasks']} tasks; a task needs at least one"
        )
    for dataset, concept in concepts:
        if concept != EVERYTHING and concept not in classes[dataset]:
            known = sorted(classes[dataset])
            raise RefusedError(
                f"sequence {stream['sequence']['name']!r} names concept {concept!r}, which dataset {dataset!r} does not have."
                f"{nearest(concept, known)}"
            )
    _check_label_spaces(stream)


def _check_label_spaces(stream: Mapping[str, Any]) -> None:
    """A label space is of classes, and a mean over several of them is no number."""
    where, kinds = (
        f"suite {stream['suite']['name']!r}",
        {dataset["name"]: dataset["kind"] for dataset in stream["datasets"]},
    )
    spaces: dict[str, set[str]] = {}
    for member in stream["suite"]["members"]:
        name, space, kind = member["dataset"], member["label_space"], kinds[member["dataset"]]
        if space != "all" and kind != "classification":
            raise RefusedError(
                f"{where}: label_space {space!r} of {name!r}, which is of kind {kind} and has no classes; use all"
            )
        spaces.setdefault(member["role"], set()).add(space)
    for role in ("adapt", "retain"):
        if len(spaces.get(role, ())) > 1:
            listed = " and ".join(sorted(spaces[role]))
            raise RefusedError(
                f"{where}: its {role} members have label spaces {listed}, and a mean over them would mix them. "
                "Give the role one of them, and the others the role probe or a suite of their own"
            )


def _incomplete(connection: duckdb.DuckDBPyConnection, trial: int) -> str:
    """Which word of the sentence has no usable rows."""
    said = connection.execute(
        """
        SELECT t.stream, t.backbone,
               (SELECT count(*) FROM stream s JOIN sequence_concept c USING (sequence) WHERE s.name = t.stream),
               (SELECT count(*) FROM stream s JOIN suite_member m USING (suite) WHERE s.name = t.stream)
        FROM trial t WHERE t.id = ?
        """,
        [trial],
    ).fetchone()
    if said is None:
        return f"there is no trial {trial}"
    stream, backbone, concepts, members = said
    if not concepts:
        return f"stream {stream!r}: its sequence has no rows in sequence_concept"
    if not members:
        return f"stream {stream!r}: its suite has no rows in suite_member"
    return f"backbone {backbone!r} names a trial that is not done"
