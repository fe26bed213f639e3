"""Write the list of parts in docs/methods.md: each with its file's docstring and its keys."""

import ast

from docpages.markdown import ROOT, codes
from schema.checks import parts

# Folders of methods/, and what the parts in each decide.
KINDS = {
    "tuning": "which parameters move",
    "objectives": "what the loss asks for",
    "merging": "how weights combine",
    "repair": "a stage after the task",
    "ensembles": "how several models answer as one",
    "selection": "which candidates a step learns from (named by a mixture)",
    "mixing": "which shares of a batch each source has, segment by segment (named by a mixture)",
}


def page() -> str:
    """Return every part of every kind, by kind and name."""
    sections = []
    for kind, decides in KINDS.items():
        sections.append(f"## {kind}: {decides}")
        sections += [_part(kind, name) for name in parts.names(f"methods/{kind}")]
    return "\n\n".join(sections)


def _part(kind: str, name: str) -> str:
    path = ROOT / "methods" / kind / f"{name}.py"
    # Read and not imported: parts import torch.
    words = ast.get_docstring(ast.parse(path.read_text())) or ""
    lines = [f"### `{name}`", f"```text\n{words}\n```"]
    facts = []
    keys = parts.keys(f"methods/{kind}", name)
    if keys:
        facts.append(f"Keys: {codes(keys)}.")
    needs = parts.needs(f"methods/{kind}", name)
    if needs:
        facts.append(f"Needs: {', '.join(needs)}.")
    if facts:
        lines.append(" ".join(facts))
    return "\n\n".join(lines)
