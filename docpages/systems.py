"""Write docs/systems.md: published systems, the rows that reproduce them, and those without one.

A source is recognised by an arXiv number in a row's note, or by a conference and its year in
parentheses, so the page follows from the vocabulary.
"""

import re
from collections.abc import Iterator

import duckdb

from docpages.markdown import ROOT, WRITTEN, cell, code, table
from schema import ddl

NUMBER = re.compile(r"\d{4}\.\d{5}")
# How a note names a source that is on no arXiv
VENUE = re.compile(r"\(((?:CVPR|ICLR|ICML|NeurIPS) \d{4})\)")
METHODS = """
SELECT name, concat_ws(', ', nullif(tuning, 'full'), objective,
                       CASE WHEN merging <> 'none'
                            THEN format('{} (start {}, deploy {})', merging, "start", deploy) END,
                       'repair ' || repair, 'ensemble ' || ensemble) AS parts, note
FROM method
"""
BACKBONES = """
SELECT name, concat_ws(', ', architecture, pretrained, pretrained_with->>'loss',
                       pretrained_with->>'optimizer') AS parts, note
FROM backbone WHERE NOT starts_with(architecture, '{')
"""
RECIPES = "SELECT name, concat_ws(', ', optimizer, schedule) AS parts, note FROM recipe"
# System, source, and why no row reproduces it
WITHOUT = (
    (
        "AdaMerging",
        "2310.02575",
        "its coefficients follow gradients of the entropy of answers to unlabelled test images, "
        "and a merging here is given weights alone",
    ),
    (
        "Data Mixing Agent",
        "2507.15640",
        "what the agent is told and says is what a mixing is told and says, so it would be a file "
        "of `methods/mixing/`; it is learned from many runs, and is not here",
    ),
    (
        "the model of Infinite dSprites",
        "2312.16731",
        "its network is taught the transform that each image was drawn by, and half of each shape "
        "is black to show how it is turned; a batch here holds images and texts alone, and sprites "
        "here have no such mark. An image tower could be its network, and nearness of pixels to "
        "exemplars the rule of an ensemble; not built",
    ),
    (
        "the mixture of MoE-Adapters",
        "2403.11549",
        "its router and the ReLU within an expert depend on the input, so they cannot be folded "
        "into a plain CLIP; `ddas_lora` has one folded expert for every task and the paper's "
        "selector",
    ),
    (
        "CPE-CLIP",
        "2303.04751",
        "prompts are tokens in every layer of both towers, and a plain CLIP has no place for them: "
        "what is deployed, merged and exported here has the tensors of its architecture, no more",
    ),
    (
        "NoRGa",
        "NeurIPS 2024",
        "prefixes are keys and values that every attention reads beside its tokens, chosen for "
        "each image; as for prompts, a plain CLIP has no place for them",
    ),
    (
        "DataDAM",
        "2310.00093",
        "its images are learned elsewhere; a buffer reads them from files (`thirds_distilled`), "
        "and none are brought",
    ),
    (
        "CMAP",
        "2605.25708",
        "prompts and gates that depend on the image, as above; its routing by texts could be a "
        "rule of an ensemble, and is not built",
    ),
    (
        "Dynamic Prefix Weighting",
        "2604.18075",
        "prefixes whose weight depends on each token of the input, as above",
    ),
    (
        "LADA",
        "2505.23271",
        "units for each label after the image tower, which a plain CLIP has no place for",
    ),
    (
        "Rank-1 expert pool",
        "2601.22828",
        "its experts are composed by what a task's images are and then merged, so they could be "
        "folded; not built",
    ),
    (
        "DIMoE-Adapters",
        "2605.07494",
        "a mixture of experts that depends on the input, as in MoE-Adapters",
    ),
    (
        "KeepLoRA++",
        "2606.16256",
        "what it adds to its first version, `keeplora`, is a scale by layer, which was not read",
    ),
    (
        "LEBA",
        "NeurIPS 2025",
        "each image chooses among adapters that a learned bridge joins, so they cannot be folded; "
        "it replays images that Stable Diffusion draws, which is not here",
    ),
    (
        "DAR",
        "2605.31229",
        "the adapters of the tasks are chosen and merged anew for each query, image and text, by "
        "prototypes; an ensemble here weighs answers by the image, and merges no weights",
    ),
    (
        "MoRAM",
        "2506.21035",
        "adapters of rank one that the input opens, so they cannot be folded",
    ),
    (
        "ConDU",
        "2503.10705",
        "one joint task vector, with a mask and a scale for each task as in `emr`; from it every "
        "expert is built again and their answers are weighed for each image: not built",
    ),
    (
        "IAP",
        "2503.20612",
        "prompts with gates that depend on the image; as for CPE-CLIP, a plain CLIP has no place "
        "for them",
    ),
    (
        "DIKI",
        "2407.05342",
        "prefixes whose weight depends on the image, as above",
    ),
    (
        "SND",
        "2403.09296",
        "distils from the last model or the pretrained one, chosen for each reference image; it "
        "could be an objective, and is not built",
    ),
    (
        "MulKI",
        "2411.06764",
        "learns with prototypes and two teachers in four stages; not built",
    ),
    (
        "LoRA-Loop",
        "2507.13568",
        "replays images of a Stable Diffusion that has an adapter for each task; the generator is "
        "not here",
    ),
)
HEAD = """# Systems

Every published system that a row of the vocabulary names, by the arXiv number of its source, or
by its conference. The file of a part says where it departs from its source, and why
([methods.md](methods.md)). What each row reached stands there as well; a row without a line in that
table has not been run by the grid yet.

What papers say that systems reached is in `reference_result`, with where each number was read
([`published`](questions/scores.md#published)). The own tables of MoE-Adapters, RAIL, GIFT, DIKI,
IAP, GNSP, KeepLoRA, SND, ENGINE, CoLeCLIP, DPeCLIP and C-CLIP could not be read: some of these are
there as others compare them, the rest not at all."""


def page() -> str:
    """Return the page: methods, backbones, recipes, and what has no row."""
    with duckdb.connect() as connection:
        for statement in ddl.statements():
            connection.execute(statement)
        for path in sorted((ROOT / "schema" / "rows").glob("*.sql")):
            connection.execute(path.read_text())
        methods = connection.execute(METHODS).fetchall()
        backbones = connection.execute(BACKBONES).fetchall()
        recipes = connection.execute(RECIPES).fetchall()
    without = []
    for name, source, reason in WITHOUT:
        without.append((cell(name), _linked(source), cell(reason)))
    sections = [
        HEAD,
        WRITTEN,
        "## Methods",
        table(("source", "row", "parts", "what it is"), _rows(methods)),
        "## Backbones",
        table(("source", "row", "weights, loss, optimizer", "what it is"), _rows(backbones)),
        "## Recipes",
        table(("source", "row", "optimizer, schedule", "what it is"), _rows(recipes)),
        "## Without a row",
        table(("system", "source", "why"), without),
    ]
    return "\n\n".join(sections) + "\n"


def _rows(named: list[tuple[str, str, str | None]]) -> Iterator[tuple[str, ...]]:
    """Yield a table row for each part whose note names a paper, sorted by its source."""
    sourced = []
    for name, parts, note in named:
        sources = NUMBER.findall(note or "") or VENUE.findall(note or "")
        if sources:
            sourced.append((sources[0], name, parts, note or ""))
    for source, name, parts, note in sorted(sourced):
        yield _linked(source), code(name), cell(parts), cell(note)


def _linked(source: str) -> str:
    """Return a link to an arXiv number; other text is unchanged."""
    if NUMBER.fullmatch(source):
        return f"[{source}](https://arxiv.org/abs/{source})"
    return cell(source)
