"""The folder is the registry: both halves read the same about a part from its file."""

import ast
import dataclasses
import inspect
import json
from importlib import import_module

import pytest

import methods
from methods import schedules
from schema.checks import parts
from tests.tiny_clip import ROOT, field_defaults, names

KINDS = [
    (kind, name)
    for kind in ("tuning", "objectives", "repair", "selection", "mixing", "ensembles")
    for name in names(f"methods/{kind}")
]
FILES = [*KINDS, *(("merging", name) for name in names("methods/merging"))]


def camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_a_file_opens_with_what_it_is_and_its_source(kind: str, name: str) -> None:
    text = ast.get_docstring(ast.parse((ROOT / "methods" / kind / f"{name}.py").read_text())) or ""
    assert "https://" in text, "a reader must find where it comes from"
    assert text.partition("\n")[0].strip()


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_its_dataclass_can_be_read_without_being_imported(kind: str, name: str) -> None:
    """The database half parses what this half imports: the same keys, and literal defaults."""
    made = getattr(import_module(f"methods.{kind}.{name}"), camel(name))
    fields = [field for field in dataclasses.fields(made) if field.init]
    assert parts.keys(f"methods/{kind}", name) == tuple(field.name for field in fields)
    literal = field_defaults(ROOT / "methods" / kind / f"{name}.py", camel(name))
    assert literal == {field.name: field.default for field in fields}
    assert all(field.name.startswith("_") for field in dataclasses.fields(made) if not field.init)


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_a_row_may_set_each_key(kind: str, name: str) -> None:
    """Also to the default as JSON gives it back."""
    literal = json.loads(
        json.dumps(field_defaults(ROOT / "methods" / kind / f"{name}.py", camel(name)))
    )
    assert methods.part(kind, name, literal) == methods.part(kind, name, {})


@pytest.mark.parametrize("name", names("methods/merging"))
def test_a_merging_takes_its_keys_by_name_with_literal_defaults(name: str) -> None:
    module = import_module(f"methods.merging.{name}")
    # A share may also depend on how many steps the task has
    first = {"merge": [["history"]], "folding": [[]], "share": [["step"], ["step", "steps"]]}
    defined = [word for word in first if hasattr(module, word)]
    assert defined, "a merging is one of these"
    for word in defined:
        takes = inspect.signature(getattr(module, word)).parameters.values()
        keys = [argument for argument in takes if argument.kind is argument.KEYWORD_ONLY]
        assert [argument.name for argument in takes if argument not in keys] in first[word]
        assert parts.keys("methods/merging", name) == tuple(argument.name for argument in keys)
        for argument in keys:
            assert isinstance(argument.default, str | int | float | bool | tuple | None)
        assert not {argument.name for argument in keys} & {*parts.RESERVED}, (
            "those say what is merged, of every merging alike"
        )


@pytest.mark.parametrize("place", ["methods/optimizers.py", "methods/schedules.py"])
def test_both_halves_know_the_same_functions_and_keys(place: str) -> None:
    module = import_module(place.removesuffix(".py").replace("/", "."))
    assert {"methods/optimizers.py": "adamw", "methods/schedules.py": "cosine"}[
        place
    ] in parts.names(place)
    for name in parts.names(place):
        takes = inspect.signature(getattr(module, name)).parameters.values()
        assert parts.keys(place, name) == tuple(
            argument.name for argument in takes if argument.kind is argument.KEYWORD_ONLY
        )


def test_a_schedule_with_its_defaults_is_complete() -> None:
    for name in parts.names("methods/schedules.py"):
        assert getattr(schedules, name)(schedules.Position(step=0, steps=10, task=1)) > 0
