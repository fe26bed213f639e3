"""Take the screenshots of README and docs: `python -m docpages.screenshots [FOLDER [NAME ...]]`.

FOLDER holds a site whose trials have run, that of `make demo` for example. Each page is taken in
the light and in the dark theme (NAME_dark). It needs the browser of tests/browser/install.sh.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from schema.site import Site
from screens import live
from tests.browser.chromium import WIDTH, browser, served, visit

OUT = Path(__file__).resolve().parents[1] / "docs/app"
GRID = (
    "mixture=replay_thirds&mixture=update_only&method=ewc&method=finetune&recipe=tiny_lr_2e-3"
    "&seeds=5&study=forget+less"
)
SQL = "SELECT+method,+mixture,+task,+a_ka,+a_zs,+seeds+FROM+course+WHERE+stream+%3D+%27world%27"


@dataclass(frozen=True, kw_only=True)
class Shot:
    """A screenshot to take: a page's address, and the size of the window in pixels."""

    address: str
    height: int
    width: int = WIDTH
    modes: tuple[str, ...] = ("light", "dark")


SHOTS = {
    "answer": Shot(address="", height=1500),
    "answer_phone": Shot(address="", height=1500, width=390, modes=("light",)),
    "hundred": Shot(address="?colour=tuning&top=20&find=lora", height=1400),
    "budget": Shot(address="?figure=Over+budget", height=1000, modes=("light",)),
    "forgetting": Shot(
        address="?figure=Lost+per+dataset&role=retain", height=1000, modes=("light",)
    ),
    "cost": Shot(address="?figure=Cost", height=900, modes=("light",)),
    "compare": Shot(address="compare", height=2300),
    "runs": Shot(address="runs?sort=gm", height=900),
    "operations": Shot(address="operations?look=RUNNING", height=1500),
    "operations_phone": Shot(address="operations", height=1200, width=390, modes=("light",)),
    "forgotten": Shot(address="forgotten?dataset=shape", height=1100),
    "trial": Shot(address="trial?id=2", height=1400),
    "declare": Shot(address=f"declare?{GRID}", height=1250),
    "questions": Shot(address="ask?search=budget", height=900),
    "question": Shot(address="trade_off?stream=world", height=1000),
    "console": Shot(address=f"console?sql={SQL}&table=course", height=1200),
}


def main(folder: Path, names: list[str]) -> None:
    """Write docs/app/*.png: those named, or all."""
    OUT.mkdir(exist_ok=True)
    with served(folder) as url, browser() as context:
        page = context.new_page()
        # A new server reports the address of any page but the first as unknown, so that one is
        # opened first.
        visit(page, url)
        for name in names or SHOTS:
            shot = SHOTS[name]
            page.set_viewport_size({"width": shot.width, "height": shot.height})
            for mode in shot.modes:
                page.emulate_media(color_scheme=mode)  # type: ignore[arg-type]
                address = shot.address.replace("RUNNING", running(folder))
                visit(page, f"{url}/{address}")
                page.mouse.move(0, 0)
                # Waits until Vega has drawn and fonts are loaded.
                page.wait_for_timeout(1500)
                path = OUT / f"{name}{'' if mode == 'light' else '_dark'}.png"
                # The colours are not reduced, as two methods would then get the same one
                page.screenshot(path=path)
                print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB", flush=True)


def running(folder: Path) -> str:
    """Return the number of the newest trial that runs now, or else of the newest that ran."""
    runs = Site.load(folder).runs
    numbers = sorted((int(path.name) for path in runs.glob("[0-9]*")), reverse=True)
    for one in live.running(runs, numbers):
        if one.state == "running":
            return str(one.trial)
    return str((*numbers, 1)[0])


if __name__ == "__main__":
    main(Path((*sys.argv, ".")[1]).resolve(), sys.argv[2:])
