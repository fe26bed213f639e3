"""Measure figures that were written for print."""

import re
import zlib


def fonts(pdf: bytes) -> set[bytes]:
    """The fonts whose files are in a PDF; each font that it names must have one."""
    whole = pdf
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        try:
            whole += zlib.decompress(stream)
        except zlib.error:
            continue
    names = set(re.findall(rb"/FontName\s*/([^\s/]+)", whole))
    assert whole.count(b"/FontFile") >= len(names)
    return names


def size(pdf: bytes) -> tuple[float, float]:
    """The width and height of the only page of a PDF, in points."""
    ((width, height),) = re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    return float(width), float(height)
