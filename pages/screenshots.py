"""Take the screenshots of README and docs: `python -m pages.screenshots [FOLDER [NAME ...]]`.

FOLDER holds a site that was really run, that of `make demo` for example. It needs the browser of
tests/browser/install.sh.
"""

import sys
from pathlib import Path

from tests.browser.chromium import WIDTH, browser, served, visit

OUT = Path(__file__).resolve().parents[1] / "docs/app"
GRID = (
    "mixture=replay_thirds&mixture=update_only&method=ewc&method=finetune&recipe=tiny_lr_2e-3"
    "&seeds=5&study=forget+less"
)
SQL = "SELECT+method,+mixture,+task,+a_ka,+a_zs,+seeds+FROM+course+WHERE+stream+%3D+%27world%27"
# The name of an image, its address, and the height of the window in pixels.
PAGES = {
    "answer": ("", 1180),
    "trade": ("plots", 1000),
    "budget": ("plots?figure=Over+budget", 960),
    "heat": ("plots?figure=After+every+task", 1060),
    "forgetting": ("plots?figure=Lost+per+dataset&role=retain", 860),
    "paired": ("plots?figure=Two+methods", 960),
    "cost": ("plots?figure=Cost", 760),
    "operations": ("operations?hole=bitfit+·+update_only", 2000),
    "trial": ("trial?id=2", 1500),
    "declare": (f"declare?{GRID}", 1250),
    "console": (f"console?sql={SQL}&table=course", 1200),
    "question": ("trade_off?stream=world", 1000),
}


def main(folder: Path, names: list[str]) -> None:
    """Write docs/app/*.png: those named, or all."""
    OUT.mkdir(exist_ok=True)
    with served(folder) as url, browser() as context:
        page = context.new_page()
        for name in names or PAGES:
            address, height = PAGES[name]
            page.set_viewport_size({"width": WIDTH, "height": height})
            visit(page, f"{url}/{address}")
            page.mouse.move(0, 0)
            # Until Vega has drawn and fonts are there.
            page.wait_for_timeout(1500)
            path = OUT / f"{name}.png"
            page.screenshot(path=path)
            print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(Path((*sys.argv, ".")[1]).resolve(), sys.argv[2:])
