"""grids/fomo_validation.sql: what is learned from and what is measured on are two parts of the training images."""

import json
from pathlib import Path

from schema import grid
from streams import open_pairs
from tests.layouts import CLASSES, LAYOUTS
from tests.template import in_memory

ROOT = Path(__file__).resolve().parents[2]


def test_images_that_are_measured_on_are_never_learned_from(tmp_path: Path) -> None:
    LAYOUTS["fomo"](tmp_path, 60, set())
    with in_memory() as connection:
        grid.apply(connection, (ROOT / "schema/rows/fomo_in_flux.sql").read_text(), "rows")
        connection.execute(
            "INSERT INTO sequence_concept VALUES ('fomo_random_1', 1, 'cub200', 'crow')"
        )
        connection.execute(
            "UPDATE dataset SET location = 'fomo/CUB200', classes = ? WHERE name = 'cub200'",
            [json.dumps(CLASSES)],
        )
        grid.apply(connection, (ROOT / "grids/fomo_validation.sql").read_text(), "grid")
        params, classes, templates = connection.execute(
            "SELECT params, classes, templates FROM dataset WHERE name = 'cub200_validation'"
        ).fetchall()[0]
        mini = connection.execute(
            "SELECT params FROM dataset WHERE name = 'inaturalist2021_validation'"
        ).fetchall()[0][0]
        roles = dict(
            connection.execute(
                "SELECT role, count(*) FROM suite_member WHERE suite = 'fomo_validation' GROUP BY 1"
            ).fetchall()
        )
        learned = connection.execute(
            "SELECT dataset, concept FROM sequence_concept WHERE sequence = 'fomo_validation'"
        ).fetchall()
        without = connection.execute(
            "SELECT count(*) FROM suite_member JOIN dataset ON name = dataset WHERE suite = 'fomo_in_flux' AND train_pairs = 0"
        ).fetchall()[0][0]
    row = {
        "name": "cub200_validation",
        "format": "fomo",
        "location": "fomo/CUB200",
        "params": json.loads(params) | {"image_px": 24},
    }
    row |= {"classes": json.loads(classes), "templates": json.loads(templates)}
    train, held = (open_pairs(row, split, tmp_path) for split in ("train", "test"))
    names = [{pairs.name(n) for n in range(len(pairs))} for pairs in (train, held)]  # type: ignore[attr-defined]
    assert not names[0] & names[1] and len(names[0] | names[1]) == 60 and 4 <= len(names[1]) <= 20
    assert json.loads(mini) == {"train": "train_mini", "test": "train_mini", "test_share": 0.2}
    assert roles["adapt"] == 41 and sum(roles.values()) == 63 - without
    assert learned == [("cub200_validation", "crow")]
