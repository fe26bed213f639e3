"""Write the list in docs/index.md: every page with its subject, in groups."""

from docpages.markdown import DOCS

# Group, page, title and subject. A page that does not exist is left out.
PAGES = (
    ("Begin", "demo", "The demo", "what `make demo` runs on a laptop in ten minutes, and shows"),
    (
        "Begin",
        "own_pictures",
        "Your own pictures in ten minutes",
        "from a folder of pictures to an answer",
    ),
    ("Begin", "emoji", "A real stream", "emoji by the year that they were admitted"),
    (
        "Begin",
        "guide",
        "A practitioner's guide",
        "the questions of FoMo-in-Flux, asked of the embedded world by rules, and what came out",
    ),
    ("Begin", "glossary", "Glossary", "every word of ours, with the field's own beside it"),
    ("Begin", "architecture", "Architecture", "two halves, and the journey of a trial"),
    ("Declare", "catalog", "The catalog", "every table, column and constraint"),
    ("Declare", "datasets", "Datasets", "a row for what is on the disk; orders and buffers"),
    ("Declare", "methods_explained", "Methods explained", "the parts of a method, and when to use"),
    ("Declare", "methods", "Methods", "every part with its keys; what each reached and cost"),
    ("Declare", "systems", "Systems", "published systems, their rows, and those without one"),
    (
        "Declare",
        "ready_checkpoints",
        "Ready checkpoints",
        "merging over time on what others have fine-tuned, without training",
    ),
    ("Declare", "recipes", "Recipes", "optimizer, schedule, augmentation, how a step is computed"),
    ("Declare", "evaluations", "Evaluations", "what is measured, and how"),
    ("Declare", "budgets", "Budgets", "what a budget buys"),
    ("Declare", "measuring_later", "Measuring later", "another suite, without training"),
    ("Declare", "importing", "Results from elsewhere", "runs that others made, beside your own"),
    ("Declare", "rules", "Rules", "grids that grow with their answers"),
    ("Run", "commands", "Commands", "every command with its options"),
    ("Run", "site", "site.toml", "what is particular to this machine"),
    ("Run", "cluster", "Clusters", "Slurm, how attempts end, and what follows"),
    ("Run", "sharing", "Sharing", "trials that train alike train once"),
    ("Run", "scale", "Scale", "what grows with pairs, test images and trials"),
    ("Run", "adopting", "Catalogs that meet", "taking in what another lab has done"),
    ("Run", "weights", "Weights", "what stays, what goes, and how it comes back"),
    ("Run", "accelerators", "GPUs", "what is proven without one, and what is not"),
    ("Run", "reliability", "Reliability", "promises, faults, and the tests that hold them"),
    ("Ask", "questions", "Questions", "every question that the catalog answers"),
    ("Ask", "statistics", "Statistics", "intervals, pairs and verdicts"),
    ("Ask", "items", "Items", "which test items were right, and what is asked of them"),
    ("Ask", "export", "Exporting models", "what a trial deployed, as a checkpoint for others"),
    ("Ask", "exporting", "MLflow, W&B, trackio", "trials as runs of other trackers"),
    ("Ask", "app", "The app", "its pages, with pictures"),
    ("Ask", "programs", "For programs", "JSON, files, figures and tables; Python"),
)


def page() -> str:
    """Return the list, with a heading per group; pages without an entry here come last."""
    listed = {name for _, name, _, _ in PAGES}
    others = []
    for path in sorted(DOCS.glob("*.md")):
        if path.stem != "index" and path.stem not in listed:
            title = path.read_text().partition("\n")[0].removeprefix("# ")
            others.append(("More", path.stem, title, ""))
    lines: list[str] = []
    group = ""
    for of, name, title, about in (*PAGES, *others):
        if not (DOCS / f"{name}.md").exists():
            continue
        if of != group:
            group = of
            lines += ["", f"## {group}", ""]
        lines.append(f"- [{title}]({name}.md)" + (f": {about}" if about else ""))
    return "\n".join(lines[1:])
