"""From rows to a definition: the last check before a job exists.

What it refuses never reaches the cluster.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from schema.checks import given, parts, rows, sentences, stream_rows
from schema.checks.compared import Comparison
from schema.spec import EVERYTHING, VERSION, Row, Spec
from schema.words import nearest

ROOT = Path(__file__).resolve().parents[2]
# The words of a sentence in the order of the view `definition`; the seed follows
WORDS = ("backbone", "stream", "mixture", "method", "recipe", "budget")
# In the definition of a budget: its costs are looked up by other words of the sentence
PUBLISHED = '"costs":"published"'
Check = Callable[[Spec, Comparison | None], None]


class RefusedError(ValueError):
    """A trial cannot run as it is declared; the message says why and what to do."""


class Resolver:
    """The definitions of some trials, by their words.

    What many of them share is fetched, parsed and checked once: a stream may have megabytes.
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
        # By trial: the names of its words, and its seed
        self.sentences: dict[int, tuple[tuple[str, ...], int]] = {}
        # By word and name: the definition, as the catalog's text
        self.texts: dict[tuple[str, str], str] = {}
        # By backbone, pairs of a batch and method: published costs, as the catalog's text
        self.published: dict[tuple[str, int, str], str] = {}
        # By text: the definition of a word, parsed
        self.rows: dict[str, Row] = {}
        # By the name of a stream: a definition over it
        self.known: dict[str, Spec] = {}
        # By check and the names of the words that it looks at: why they cannot run, or None
        self.checked: dict[tuple[str, ...], str | None] = {}
        if trials:
            self._fetch(list(trials))

    def _fetch(self, trials: list[int]) -> None:
        """Fetch the sentences of trials, and the definition of each word of them once."""
        found = self.connection.execute(
            f"SELECT id, {', '.join(WORDS)}, seed FROM trial "
            "WHERE id IN (SELECT unnest(?::BIGINT[]))",
            [trials],
        )
        for trial, *names, seed in found.fetchall():
            self.sentences[trial] = tuple(names), int(seed)
        definitions = word_definitions()
        for place, word in enumerate(WORDS):
            names = sorted({names[place] for names, _ in self.sentences.values()})
            rows = self.connection.execute(
                f"{definitions} SELECT name, definition FROM {word}_definition "
                "WHERE name IN (SELECT unnest(?::VARCHAR[]))",
                [names],
            )
            for name, text in rows.fetchall():
                self.texts[word, name] = text
        published = self.connection.execute(
            f"{definitions} SELECT backbone, batch_pairs, method, costs FROM published_definition"
        )
        for backbone, batch_pairs, method, costs in published.fetchall():
            self.published[backbone, batch_pairs, method] = costs

    def resolve(self, trial: int) -> tuple[Spec, str]:
        """Return the definition of a trial, parsed and as the catalog's own text.

        Raises:
            RefusedError: its rows do not add up to something that can run.
        """
        return self.spec(trial), self.text(trial)

    def spec(self, trial: int) -> Spec:
        """Return the definition of a trial, whose rows are shared with those of other trials.

        Raises:
            RefusedError: its rows do not add up to something that can run.
        """
        names, seed = self.sentences.get(trial, ((), 0))
        words = dict(zip(WORDS, names, strict=False))
        if not words or any(each not in self.texts for each in words.items()):
            raise RefusedError(_incomplete(self.connection, trial))
        rows: dict[str, Any] = {}
        for word, text in self._texts(words).items():
            if text not in self.rows:
                self.rows[text] = json.loads(text)
            rows[word] = self.rows[text]
        stream = words["stream"]
        if stream not in self.known:
            self.known[stream] = Spec(**rows, seed=seed)
        del rows["stream"]
        spec = self.known[stream].with_words(rows, seed)
        objection = self._objection(spec, words)
        if objection is not None:
            raise RefusedError(objection)
        return spec

    def text(self, trial: int) -> str:
        """Return the definition of a trial as the view `definition` writes it.

        The audit `definition_drift` compares it with the view later. It is put together anew each
        time, as many of them would be gigabytes.
        """
        names, seed = self.sentences[trial]
        pieces = [f'{{"version":{VERSION}']
        for word, text in self._texts(dict(zip(WORDS, names, strict=True))).items():
            pieces += [f',"{word}":', text]
        return "".join([*pieces, f',"seed":{seed}}}'])

    def _texts(self, words: Mapping[str, str]) -> dict[str, str]:
        """Return the definition of each word of a sentence, as the view `definition` writes it."""
        texts = {word: self.texts[word, name] for word, name in words.items()}
        if PUBLISHED in texts["budget"]:
            batch_pairs = json.loads(texts["recipe"])["batch_pairs"]
            costs = self.published.get((words["backbone"], batch_pairs, words["method"]))
            if costs is not None:
                texts["budget"] = f'{texts["budget"][:-1]},"published":{costs}}}'
        return texts

    def _objection(self, spec: Spec, words: Mapping[str, str]) -> str | None:
        """Return why a definition cannot run, or None. The seed is no reason."""
        for looked_at, check in CHECKS:
            key = (check.__name__, *[words[word] for word in looked_at])
            if key not in self.checked:
                self.checked[key] = _refusal(check, spec, self.comparison)
            if self.checked[key] is not None:
                return self.checked[key]
        return None


def word_definitions() -> str:
    """Return the beginning of the view `definition`: the definitions of each word, by name."""
    text = (ROOT / "queries/parts/definition.sql").read_text()
    _, begin, rest = text.partition("WITH RECURSIVE")
    named, end, _ = rest.partition("\nSELECT trial.id AS trial")
    assert begin and end, "the view `definition` names the words first, then joins them by trial"
    return begin + named


def _refusal(check: Check, spec: Spec, comparison: Comparison | None) -> str | None:
    """Return why a check refuses a definition, or None."""
    try:
        check(spec, comparison)
    except (parts.PartError, RefusedError) as error:
        return str(error)
    return None


def _method(spec: Spec, _: Comparison | None) -> None:
    rows.check_method(spec.method)


def _recipe(spec: Spec, _: Comparison | None) -> None:
    rows.check_recipe(spec.recipe)


def _mixture(spec: Spec, _: Comparison | None) -> None:
    rows.check_mixture(spec.mixture)


def _sentence(spec: Spec, _: Comparison | None) -> None:
    sentences.check_needs(spec.method, spec.mixture)
    sentences.check_cache(spec.method, spec.mixture, spec.recipe)
    sentences.check_average(spec.method, spec.recipe)


def _line(spec: Spec, _: Comparison | None) -> None:
    sentences.check_line(spec.method, spec.stream)


def _stream(spec: Spec, _: Comparison | None) -> None:
    for dataset in _datasets(spec):
        rows.check_dataset(dataset)
    _check_stream(spec)


def _images(spec: Spec, _: Comparison | None) -> None:
    for objection in stream_rows.objections(spec.backbone, spec.stream, spec.mixture):
        raise RefusedError(objection)


def _files(spec: Spec, comparison: Comparison | None) -> None:
    if comparison is not None:
        for objection in comparison.objections(_rows_to_compare(spec)):
            raise RefusedError(objection)


def _costs(spec: Spec, _: Comparison | None) -> None:
    """Refuse a budget of published costs where nothing was published of the sentence."""
    budget = spec.budget
    if budget.get("costs") == "published" and "published" not in budget:
        raise RefusedError(
            f"budget {budget['name']!r} is solved from published costs, and none are published of "
            f"backbone {spec.backbone['name']!r}, method {spec.method['name']!r} and batches of "
            f"{spec.recipe['batch_pairs']} pairs. `SELECT * FROM published_cost` has those that "
            "are; a budget whose costs are 'counted' takes any"
        )


def _given(spec: Spec, comparison: Comparison | None) -> None:
    """Refuse a method that is given its weights where a checkpoint is not there."""
    data = comparison.data if comparison is not None else None
    for objection in given.objections(spec.backbone, spec.stream, spec.method, spec.budget, data):
        raise RefusedError(objection)


# In this order; each with the words that it looks at, and is asked of once
CHECKS: Sequence[tuple[tuple[str, ...], Check]] = (
    (("method",), _method),
    (("recipe",), _recipe),
    (("mixture",), _mixture),
    (("method", "mixture", "recipe"), _sentence),
    (("method", "stream"), _line),
    (("stream", "mixture"), _stream),
    (("backbone", "stream", "mixture"), _images),
    (("backbone", "method", "recipe", "budget"), _costs),
    (("backbone", "stream", "method", "budget"), _given),
    (("stream", "mixture"), _files),
)


def _datasets(spec: Spec) -> list[Mapping[str, Any]]:
    """Return the rows of the datasets that a trial reads, those of its mixture among them."""
    return [*spec.stream["datasets"], *stream_rows.mixed_in(spec.mixture)]


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
    check_label_spaces(stream)


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


def check_label_spaces(stream: Mapping[str, Any]) -> None:
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
