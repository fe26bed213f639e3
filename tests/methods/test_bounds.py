"""Every number that a part of a method takes, at the ends of what its message allows."""

import ast
import json
import math
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from methods import part
from schema.checks.parts import names

SOURCE = Path(__file__).resolve().parents[2] / "methods"
GOLDEN = SOURCE.parent / "tests" / "golden" / "defaults.json"
COUNT, ABOVE, LEAST = "[1, )", "(0, )", "[0, )"
# The ends of what is allowed: a square bracket includes its end, and nothing is no end
BOUNDS = {
    ("ensembles", "ddas"): {
        "pairs": COUNT,
        "code": COUNT,
        "steps": COUNT,
        "lr": ABOVE,
        "slack": ABOVE,
    },
    ("ensembles", "line"): {"points": "[2, )"},
    ("ensembles", "nearest"): {"pairs": COUNT},
    ("ensembles", "rls"): {"pairs": COUNT, "ridge": ABOVE, "hidden": LEAST},
    ("mixing", "bandit"): {
        "segments": "[2, )",
        "measured_pairs": "[2, )",
        "exploration": "(0, 1]",
        "rate": ABOVE,
    },
    ("objectives", "c_clip"): {"weight": LEAST, "projector_lr": LEAST, "temperature": ABOVE},
    ("objectives", "der"): {"weight": LEAST, "buffer_pairs": COUNT, "replay_pairs": LEAST},
    ("objectives", "derpp"): {
        "weight": LEAST,
        "contrastive_weight": LEAST,
        "buffer_pairs": COUNT,
        "replay_pairs": LEAST,
    },
    ("objectives", "ewc"): {
        "weight": LEAST,
        "decay": LEAST,
        "fisher_pairs": LEAST,
        "fisher_batch_pairs": LEAST,
        "start_fisher": LEAST,
    },
    ("objectives", "gere"): {
        "weight": LEAST,
        "width": ABOVE,
        "general_pairs": COUNT,
        "replay_pairs": COUNT,
    },
    ("objectives", "gift"): {
        "weight": LEAST,
        "alignment": LEAST,
        "consolidation": LEAST,
        "temperature": ABOVE,
    },
    ("objectives", "ilora"): {"weight": LEAST, "decay": "[0, 1]"},
    ("objectives", "l2_init"): {"weight": LEAST},
    ("objectives", "lixp"): {"alpha": "[0, 1]", "context_scale": ABOVE},
    ("objectives", "lwf"): {"alpha": LEAST, "temperature": ABOVE},
    ("objectives", "mas"): {
        "weight": LEAST,
        "alpha": "[0, 1]",
        "importance_pairs": LEAST,
        "importance_batch_pairs": LEAST,
    },
    ("objectives", "mer"): {"every": COUNT, "share": "(0, 1]"},
    ("objectives", "mix_cpt"): {"weight": LEAST},
    ("objectives", "mod_x"): {"weight": LEAST},
    ("objectives", "si"): {"weight": LEAST, "xi": ABOVE},
    ("objectives", "zscl"): {"weight": LEAST, "anchor_weight": LEAST, "temperature": ABOVE},
    ("repair", "fpf"): {"share": "(0, 1)", "lr_scale": ABOVE},
    ("selection", "easy_reference"): {"filter_ratio": "[0, 1)", "chunks": COUNT},
    ("selection", "learnability"): {"filter_ratio": "[0, 1)", "chunks": COUNT},
    ("tuning", "codyra"): {
        "rank": COUNT,
        "kappa": LEAST,
        "dense_share": "[0, 1]",
        "ramp_share": "[0, 1]",
    },
    ("tuning", "coso"): {"rank": COUNT, "sketch_rank": COUNT, "gap": COUNT, "energy": "(0, 1]"},
    ("tuning", "dns"): {"input_min": LEAST, "output_min": LEAST},
    ("tuning", "dora"): {"rank": COUNT, "alpha": ABOVE},
    ("tuning", "first_task_only"): {"rank": COUNT, "alpha": ABOVE},
    ("tuning", "galore"): {"rank": COUNT, "gap": COUNT, "scale": ABOVE},
    ("tuning", "gnsp"): {"rho": "(0, 1]"},
    ("tuning", "inflora"): {"rank": COUNT, "measure_steps": COUNT, "energy": "(0, 1]"},
    ("tuning", "keeplora"): {
        "rank": COUNT,
        "measure_steps": COUNT,
        "alpha": ABOVE,
        "energy": "(0, 1]",
        "weight_energy": "(0, 1]",
        "text_weight_energy": "(0, 1]",
    },
    ("tuning", "lora"): {"rank": COUNT, "alpha": ABOVE},
    ("tuning", "migu"): {"quantile": "[0, 1)"},
    ("tuning", "nusa"): {"rank": COUNT, "energy": "(0, 1]"},
    ("tuning", "olora"): {"rank": COUNT, "alpha": ABOVE, "weight": LEAST},
    ("tuning", "osf"): {"frozen_share": "[0, 1)"},
    ("tuning", "spu"): {"share": "(0, 1]", "score_steps": COUNT},
    ("tuning", "vera"): {"rank": COUNT},
}
# Their base class checks what they take
BASE = {"easy_reference", "learnability"}


def beside(value: float, up: bool) -> float:
    """Return the next number of the same type."""
    if isinstance(value, int):
        return value + 1 if up else value - 1
    return math.nextafter(value, math.inf if up else -math.inf)


def ends(bounds: str, whole: bool) -> tuple[list[float], list[float]]:
    """Return numbers that are just allowed, and such that just are not."""
    allowed, refused = [], []
    low, _, high = bounds[1:-1].partition(", ")
    for text, inclusive, up in ((low, bounds[0] == "[", False), (high, bounds[-1] == "]", True)):
        if not text:
            continue
        end = int(text) if whole else float(text)
        allowed.append(end if inclusive else beside(end, not up))
        refused.append(beside(end, up) if inclusive else end)
    return allowed, refused


@pytest.mark.parametrize(("kind", "name"), BOUNDS, ids="/".join)
def test_a_number_is_allowed_up_to_the_ends_that_are_named_and_refused_beyond(
    kind: str, name: str
) -> None:
    for parameter, bounds in BOUNDS[kind, name].items():
        whole = isinstance(getattr(part(kind, name, {}), parameter), int)
        allowed, refused = ends(bounds, whole)
        for number in allowed:
            assert getattr(part(kind, name, {parameter: number}), parameter) == number
        for number in refused:
            with pytest.raises(ValueError, match=" takes? "):
                part(kind, name, {parameter: number})


@pytest.mark.parametrize(("kind", "name"), [key for key in BOUNDS if key[0] == "tuning"])
def test_a_tuning_of_nothing_is_refused(kind: str, name: str) -> None:
    params: dict[str, Any] = {"targets": []}
    if hasattr(part(kind, name, {}), "targets"):
        with pytest.raises(ValueError, match="one target or more"):
            part(kind, name, params)


def test_every_part_that_checks_its_numbers_is_here() -> None:
    checking = set()
    for path in SOURCE.glob("*/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name == "__post_init__":
                checking.add((path.parent.name, path.stem))
    assert checking == {key for key in BOUNDS if key[1] not in BASE}


def test_a_default_is_what_it_was_when_rows_left_it_out() -> None:
    """Another one changes what such rows have always meant, which no definition would show.

    After a wanted change: WEIR_ACCEPT=1 python -m pytest tests/methods/test_bounds.py.
    """
    now = {}
    for kind in ("tuning", "objectives", "repair", "selection", "mixing", "ensembles"):
        for name in names(f"methods/{kind}"):
            found = part(kind, name, {})
            values = {item.name: getattr(found, item.name) for item in fields(found) if item.init}
            now[f"{kind}/{name}"] = json.loads(json.dumps(values))
    if os.environ.get("WEIR_ACCEPT"):
        lines = [f"{json.dumps(name)}: {json.dumps(values)}" for name, values in now.items()]
        GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    assert now == json.loads(GOLDEN.read_text())
