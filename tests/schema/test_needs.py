"""What parts say that they need, and sentences that do not have it: refused before a job exists."""

from importlib import import_module

import pytest

from schema.checks import parts
from tests.methods.test_methods import camel
from tests.tiny_clip import names

CLASSES = [
    (kind, name)
    for kind in ("tuning", "objectives", "repair", "selection", "mixing")
    for name in names(f"methods/{kind}")
]


@pytest.mark.parametrize(("kind", "name"), CLASSES)
def test_both_halves_read_the_same_needs(kind: str, name: str) -> None:
    made = getattr(import_module(f"methods.{kind}.{name}"), camel(name))
    own = vars(made).get("needs", ())
    assert parts.needs(f"methods/{kind}", name) == own
    assert set(made.needs) <= set(parts.NEEDS)


@pytest.mark.parametrize("name", names("methods/merging"))
def test_a_merging_says_its_needs_beside_its_function(name: str) -> None:
    said = parts.needs("methods/merging", name)
    assert said == getattr(import_module(f"methods.merging.{name}"), "NEEDS", ()) and set(
        said
    ) <= set(parts.NEEDS)
