"""The remarks of a dry run: what will not work, and what is not known and how to make it known."""

from collections.abc import Sequence

from runner.scheduler.estimates import Outlook, Sum, too_large
from runner.scheduler.profiles import PROFILED_AXES
from schema.site import Site

SHOWN_METHODS = 5


def remarks(site: Site, outlooks: Sequence[Outlook], whole: Sum) -> list[str]:
    """Return the remarks on what is pending, the worst first; `whole` is the sum over all rows."""
    lines = [*_too_large(site, outlooks), *_refused(outlooks), *_unprofiled(outlooks)]
    if whole.timeless:
        lines.append(
            f"time unknown: {whole.timeless} trials, since nothing that tells it has finished on "
            "this device: neither the same method nor, with a profile, another of their backbone "
            "and recipe, nor one whose objective and repair are the same"
        )
    elif whole.relative_error is None:
        lines.append(
            "no interval: of too few kinds of trials more than one has finished on this device"
        )
    checked = any(site.needs_of(outlook["backbone"]).gpu_memory_gb for outlook in outlooks)
    if whole.gpu_hours and not checked:
        lines.append("whether trials fit is not checked: set gpu_memory_gb in site.toml")
    return lines


def _too_large(site: Site, outlooks: Sequence[Outlook]) -> list[str]:
    """Return a line per backbone of which trials need more memory than its GPUs have."""
    lines = []
    for (backbone, gpu_gb), rows in too_large(site, outlooks).items():
        count = sum(row["trials"] for row in rows)
        peak_gb = max(row["peak_bytes"] for row in rows) / 1e9
        names = sorted({row["method"] for row in rows})
        listed = ", ".join(names[:SHOWN_METHODS])
        if len(names) > SHOWN_METHODS:
            listed += f" and {len(names) - SHOWN_METHODS} more"
        lines.append(
            f"WILL NOT FIT: {count} trials of {backbone} ({listed}) need up to {peak_gb:.2f} GB "
            f"and its GPUs have {gpu_gb:g} GB; use smaller batches, bf16, or gpu_memory_gb and a "
            "larger GPU for [backbone] in site.toml"
        )
    return lines


def _refused(outlooks: Sequence[Outlook]) -> list[str]:
    """Return a line on trials whose budget is too small, where there are any."""
    count = sum(outlook["trials"] for outlook in outlooks if outlook["steps"] == 0)
    if not count:
        return []
    return [
        f"WILL BE REFUSED: {count} trials whose budget buys no step per task; "
        "SELECT * FROM steps WHERE steps < 1"
    ]


def _unprofiled(outlooks: Sequence[Outlook]) -> list[str]:
    """Return a line on trials without a profile, where there are any."""
    rows = [outlook for outlook in outlooks if not outlook["profiled"]]
    if not rows:
        return []
    count = sum(row["trials"] for row in rows)
    combinations = {tuple(row[axis] for axis in PROFILED_AXES) for row in rows}
    return [
        f"not profiled: {count} trials, {len(combinations)} combinations of backbone, mixture, "
        "method and recipe. To know their memory, FLOPs and (budgets in FLOPs) steps, and the time "
        "of methods that have not run yet: python -m runner.sync --dry-run --profile"
    ]
