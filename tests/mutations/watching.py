"""A plugin of pytest: takes the tests that name a changed function first, and ends those that hang."""

import os
import re
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType
from typing import Any

import pytest


class Watching:
    """Orders and ends the tests of one run, and notes in a file which one is being run."""

    def __init__(
        self, place: Path, words: Sequence[str], limit_s: float, most_s: float, only: Sequence[str]
    ) -> None:
        """Take the file, the words of the change, the limits and, if any, the tests to keep.

        `limit_s`: processor seconds that one test may take. `most_s`: those after which no further
        test is begun.
        """
        self.place = place
        self.words = words
        self.limit_s = limit_s
        self.most_s = most_s
        self.only = frozenset(only)
        self.failed: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Put first the tests that name the change, and keep each file's tests together."""
        if self.only:
            items[:] = [item for item in items if item.nodeid in self.only]
        ranks = {item: self._rank(item) for item in items}
        files: dict[Path, int] = {}
        for item in items:
            files[item.path] = min(ranks[item], files.get(item.path, len(self.words)))
        # As the arguments name them, whatever order the suite has of its own
        named = [config.invocation_params.dir / each.split("::")[0] for each in config.args]
        order = list(dict.fromkeys([*named, *files]))
        # What a file's tests share is made once, so a file is not returned to
        items.sort(key=lambda item: (files[item.path], order.index(item.path), ranks[item]))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Note the test, and have it ended when it has taken its share of the processor."""
        self._note(item.nodeid)
        # The signal's default action ends the process even within a loop of C
        signal.setitimer(signal.ITIMER_PROF, self.limit_s)
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            times = os.times()
            if sum(times[:4]) > self.most_s:
                item.session.shouldstop = "no further test is begun"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that failed."""
        if report.failed:
            self.failed.append(report.nodeid)
            self._note(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that cannot be imported."""
        if report.failed:
            self.failed.append(report.nodeid)
            self._note(report.nodeid)

    def _note(self, name: str) -> None:
        self.place.write_text(name)

    def _rank(self, item: pytest.Item) -> int:
        """Return the place of the first word that a test names, or that of none."""
        function = getattr(item, "function", None)
        names = _names(function.__code__) if hasattr(function, "__code__") else []
        text = " ".join([item.name, *names])
        for rank, word in enumerate(self.words):
            # `publish` is named by `test_publish_twice`, and not by `published`
            if re.search(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])", text):
                return rank
        return len(self.words)


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names and texts in a function."""
    yield from code.co_names
    constants: list[Any] = list(code.co_consts)
    for constant in constants:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from _names(constant)
