"""Small pictures of test items: as measured, or with the reason why there is none."""

from pathlib import Path

from PIL import Image

from streams.thumbnails import pictures


def test_an_item_beyond_the_test_set_and_a_picture_that_cannot_be_read_say_so(
    tmp_path: Path,
) -> None:
    for name in ("a", "b"):
        place = tmp_path / "data" / "test" / "class" / f"{name}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (300, 200), "red").save(place)
    place.write_bytes(b"cut off")
    row = {"name": "d", "format": "imagefolder", "location": "data", "kind": "classification"}
    row |= {"params": {"test": "test"}, "classes": ["class"], "templates": []}
    row |= {"train_pairs": None, "test_pairs": None}
    one, two, three = pictures(row, tmp_path, [0, 1, 2])
    assert one["picture"].startswith("data:image/jpeg;base64,") and "reason" not in one
    assert two["reason"] == "cannot be read, and was measured with item 0, which is shown"
    assert three["reason"] == "the test set here has only 2 items" and "picture" not in three
