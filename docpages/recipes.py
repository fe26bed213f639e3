"""Write the lists of docs/recipes.md: optimizers and schedules, read from the code."""

import ast

from docpages.markdown import ROOT, cell, code, table
from schema.checks import parts

HEADS = {
    "optimizers": (
        "## Optimizers",
        "`optimizer` names one of these; the keys are those of `optimizer_params`. Weight decay "
        "acts on every parameter that moves; with `decay` `matrices` not on gains, biases and the "
        "temperature, with `open_clip` on what open_clip's training lets decay. All groups of "
        "parameters share one learning rate.",
    ),
    "schedules": (
        "## Schedules of the learning rate",
        "`schedule` names one of these, and `schedule_params` sets its keys. A schedule is a "
        "factor of `lr` between 0 and 1. Warm-up and cooldown are fractions of a task's steps. "
        "Every task begins anew unless the name says how its peak follows from the tasks before. "
        "`rewarm` false: only the first task has a warm-up.",
    ),
}


def page() -> str:
    """Return a table for the optimizers and one for the schedules."""
    sections = []
    for module, (title, text) in HEADS.items():
        rows = [_function(module, name) for name in parts.names(f"methods/{module}.py")]
        sections += [title, text, table(("name", "keys and defaults", "meaning"), rows)]
    return "\n\n".join(sections)


def _function(module: str, name: str) -> tuple[str, ...]:
    """Return the row of a function: its name, keyword-only arguments and first paragraph."""
    # The source is parsed and not imported, as these modules import torch.
    tree = ast.parse((ROOT / "methods" / f"{module}.py").read_text())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    node = functions[name]
    keys = []
    for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        written = "" if default is None else f" {ast.unparse(default)}"
        keys.append(code(argument.arg) + written)
    words = (ast.get_docstring(node) or "").partition("\n\n")[0]
    return code(name), ", ".join(keys), cell(words)
