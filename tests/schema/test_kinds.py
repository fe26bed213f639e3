"""A value of another kind than its part's annotation is refused where the row is checked, for every key of every part."""

import ast
from typing import Any

import pytest

from schema.checks import parts
from schema.checks.kinds import NAMES_OF_KINDS, fits, worded

PLACES = (
    "methods/tuning", "methods/objectives", "methods/merging", "methods/selection", "methods/mixing", "methods/repair", "methods/optimizers.py",
    "methods/schedules.py", "streams/formats",
)  # fmt: skip
KEYS = [
    (place, name, key)
    for place in PLACES
    for name in parts.names(place)
    for key in parts.keys(place, name)
]


def kind(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


@pytest.mark.parametrize(("place", "name", "key"), KEYS)
def test_every_key_has_a_kind_and_refuses_another(place: str, name: str, key: str) -> None:
    annotation = parts.annotations(place, name)[key]
    assert worded(annotation) in NAMES_OF_KINDS.values() or worded(annotation).startswith(
        ("a ", "an ", "true or false or ")
    )
    wrong: Any = (
        [[]]
        if isinstance(annotation, ast.Name)
        else 17.5
        if "float" not in ast.unparse(annotation)
        else "some"
    )
    with pytest.raises(parts.PartError, match=rf"^row 'r': {key} of {name} must be .+, not "):
        parts.check(place, name, {key: wrong}, "row 'r'")


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        ("float", [0, 1, 0.5], ["0.5", True, None, [0.5]]),
        ("int", [0, -3], [0.5, 4.0, "4", False]),
        ("str", ["", "4"], [4, None, ["a"]]),
        ("bool", [True, False], [0, 1, "true"]),
        ("float | None", [1, None], ["", "none"]),
        ("str | None", ["a", None], [1]),
        ("tuple[str, ...]", [[], ["a"], ("a", "b")], ["a", [1], {"a": 1}]),
        ("tuple[str, ...] | list[str]", [["a"]], ["a", [1]]),
        ("tuple[float, float]", [[0.9, 1]], [[0.9], [0.9, 1, 1], 0.9, ["0.9", "1"]]),
        ("dict[str, Any]", [{}, {"a": 1}], [[], "a", None]),
        ("dict[str, list[str]]", [{}, {"a": ["b"]}], [{"a": "b"}, {"a": [1]}, []]),
        ("Values", [1, "a", None], []),
    ],
)
def test_a_kind(annotation: str, good: list[Any], bad: list[Any]) -> None:
    assert [value for value in good if not fits(value, kind(annotation))] == []
    assert [value for value in bad if fits(value, kind(annotation))] == []


@pytest.mark.parametrize(
    ("place", "name", "params", "message"),
    [
        (
            "methods/tuning",
            "lora",
            {"rank": "four"},
            'rank of lora must be a whole number, not "four"',
        ),
        ("methods/tuning", "lora", {"rank": 4.5}, "rank of lora must be a whole number, not 4.5"),
        (
            "methods/tuning",
            "lora",
            {"targets": "all"},
            'targets of lora must be a list, each a text, not "all"',
        ),
        (
            "methods/optimizers.py",
            "adamw",
            {"betas": [0.9]},
            r"betas of adamw must be a list of 2, each a number, not \[0.9\]",
        ),
        (
            "methods/merging",
            "slerp",
            {"weight": True},
            "weight of slerp must be a number or null, not true",
        ),
        (
            "streams/formats",
            "webdataset",
            {"image_px": "224"},
            'image_px of webdataset must be a whole number, not "224"',
        ),
        (
            "streams/formats",
            "torchvision",
            {"train": True},
            "train of torchvision must be an object, not true",
        ),
    ],
)
def test_what_a_person_reads(place: str, name: str, params: dict[str, Any], message: str) -> None:
    with pytest.raises(parts.PartError, match=rf"^row 'r': {message}\.$"):
        parts.check(place, name, params, "row 'r'")
