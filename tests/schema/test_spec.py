"""The definition: row -> spec.json -> row, its hash, its upgrades and its refusals."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema import spec as module
from schema.spec import Spec, SpecError, canonical

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
ROWS = st.dictionaries(st.text(min_size=1, max_size=8), JSON, max_size=4)
SPECS = st.builds(
    Spec,
    backbone=ROWS,
    stream=ROWS,
    mixture=ROWS,
    method=ROWS,
    recipe=ROWS,
    budget=ROWS,
    seed=st.integers(0, 2**40),
)


@given(SPECS)
def test_round_trip(spec: Spec) -> None:
    again = Spec.from_json(spec.to_json())
    assert again == spec
    assert again.id == spec.id
    assert len(spec.id) == 32


@given(SPECS, st.randoms())
def test_the_hash_does_not_depend_on_the_order_of_keys(spec: Spec, random: "object") -> None:
    said = json.loads(spec.to_json())
    shuffled = dict(sorted(said.items(), key=lambda _: random.random()))  # type: ignore[attr-defined]
    assert Spec.from_row(shuffled).id == spec.id


@given(SPECS, st.sampled_from(["backbone", "stream", "mixture", "method", "recipe", "budget"]))
def test_the_hash_sees_every_word(spec: Spec, word: str) -> None:
    assert replace(spec, **{word: getattr(spec, word) | {"another key": 1}}).id != spec.id
    assert replace(spec, seed=spec.seed + 1).id != spec.id


def test_canonical_refuses_what_json_cannot_carry() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        canonical({"a": float("nan")})


EMPTY = Spec({}, {}, {}, {}, {}, {}, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "no version"),
        ('{"version": 99}', "knows up to 1"),
        ('{"version": 0}', "cannot upgrade"),
        (EMPTY.to_json().replace('"seed":0,', ""), "missing \\['seed'\\]"),
        (EMPTY.to_json().replace('"seed"', '"sed":1,"seed"'), "unknown \\['sed'\\]"),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Spec.from_json(text)


def test_an_older_version_is_upgraded_when_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def upgrade(row: dict[str, object]) -> dict[str, object]:
        return row | {"seed": row.pop("rng")}

    monkeypatch.setitem(module.UPGRADES, 0, upgrade)
    old = json.loads(EMPTY.to_json()) | {"version": 0, "rng": 7}
    del old["seed"]
    (tmp_path / "spec.json").write_text(json.dumps(old))
    assert Spec.read(tmp_path) == replace(EMPTY, seed=7)


@pytest.mark.parametrize("seed", [0, 7, 2**40])
def test_another_seed_is_the_definition_written_out_anew(seed: int) -> None:
    first = Spec(
        {"name": "b"}, {"tasks": 2}, {}, {"seed": 5}, {"lr": 0.1}, {"seed": {"seed": 1}}, 3
    )
    other = first.with_seed(seed)
    anew = Spec(
        {"name": "b"}, {"tasks": 2}, {}, {"seed": 5}, {"lr": 0.1}, {"seed": {"seed": 1}}, seed
    )
    assert (other, other.text, other.id) == (anew, anew.text, anew.id)
    assert anew.text == canonical(json.loads(anew.text))
    assert Spec.from_json(other.text) == anew
