"""Makes a change in a copy of the tree, asks the tests and takes it back."""

import ast
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.mutations import Mutant
from tests.mutations.nearest import PAGES, nearest_tests, words_of
from tests.mutations.records import CAUGHT, LIVED, NOT_REACHED, Record
from tests.mutations.warm import Answer, Request, Warm

# The exit code of a process that reached a function
REACHED = 77
TEMPLATE = "tests/template.py"


class Trier:
    """A copy of the tree and the process that runs its tests."""

    def __init__(self, tree: Path, limit_s: float, most_s: float) -> None:
        self.tree = tree
        self.limit_s = limit_s
        self.most_s = most_s
        # The processes that were needed so far, by whether they have catalogs
        self.processes: dict[bool, Warm] = {}

    def close(self) -> None:
        """End the processes."""
        for process in self.processes.values():
            process.close()

    def warm(self, path: str) -> Warm:
        """Return the process for a change of a file."""
        # Questions are in the catalogs, and small trees have none
        catalogs = path.endswith(".py") and (self.tree / TEMPLATE).exists()
        process = self._process(catalogs)
        return self._process(False) if path in process.loaded else process

    def _process(self, catalogs: bool) -> Warm:
        if catalogs not in self.processes:
            self.processes[catalogs] = Warm(self.tree, catalogs)
        return self.processes[catalogs]

    def attempt(
        self, mutant: Mutant, key: str, tests: list[str] | None, without: Collection[str]
    ) -> Record:
        """Return what becomes of a change under some tests, or under the nearest.

        `without`: tests that fail anyway and are left out.
        """
        text = (self.tree / mutant.path).read_text()
        words = words_of(mutant, text)
        ended = ending(mutant, text)
        groups = [tests] if tests else nearest_tests(self.tree, mutant.path, words)
        if not tests and ended is None and mutant.path.endswith(".py"):
            groups.append(PAGES)
        for name in sorted(without):
            groups = [[*group, f"--deselect={name}"] for group in groups]
        with self._changed(mutant.path, mutant.applied(text)):
            answer, cpu_s = self._run(mutant.path, groups, words)
        end = CAUGHT
        if answer is None or answer.passed:
            end = LIVED
            if answer is None:
                end = NOT_REACHED
            elif ended is not None:
                with self._changed(mutant.path, ended):
                    reached, more_s = self._run(mutant.path, groups, words)
                cpu_s += more_s
                end = NOT_REACHED if reached is None or reached.passed else LIVED
        return Record(
            key=key,
            path=mutant.path,
            change=str(mutant),
            end=end,
            test=answer.test if answer and end == CAUGHT else "",
            code=answer.code if answer else 0,
            cpu_s=round(cpu_s, 1),
        )

    def broken(self, tests: Collection[str]) -> set[str]:
        """Return those of some tests that do not pass in the tree as it is."""
        if not tests:
            return set()
        files = sorted({test.partition("::")[0] for test in tests})
        answer = self._process(False).ask(
            Request(arguments=files, limit_s=10 * self.limit_s, only=list(tests))
        )
        if answer.code < 0:
            return {answer.test}
        return set(answer.failed) & set(tests)

    def _run(
        self, path: str, groups: list[list[str]], words: list[str]
    ) -> tuple[Answer | None, float]:
        """Run groups of tests until one fails; return the last answer and the seconds of all."""
        answer, cpu_s = None, 0.0
        for group in groups:
            if cpu_s > self.most_s:
                break
            request = Request(
                arguments=group, words=words, limit_s=self.limit_s, most_s=self.most_s - cpu_s
            )
            answer = self.warm(path).ask(request)
            cpu_s += answer.cpu_s
            if not answer.passed:
                break
        return answer, cpu_s

    @contextmanager
    def _changed(self, path: str, text: str) -> Iterator[None]:
        """Change a file, and take the change back; Python compiles it anew each time."""
        file = self.tree / path
        original = file.read_text()
        file.write_text(text)
        self._forget(file)
        try:
            yield
        finally:
            file.write_text(original)
            self._forget(file)

    def _forget(self, file: Path) -> None:
        """Remove what Python compiled: a change of the same length in the same second has its mark."""
        for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
            compiled.unlink()


def ending(mutant: Mutant, text: str) -> str | None:
    """Return the file with a function, the one of the change, that ends the process; None: no function."""
    if not mutant.path.endswith(".py"):
        return None
    innermost = None
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            begins, ends = node.body[0].lineno, node.end_lineno or 0
            if begins <= mutant.line <= ends and begins > node.lineno:
                innermost = node
    if innermost is None:
        return None
    lines = text.splitlines(keepends=True)
    first = innermost.body[0]
    indent = " " * first.col_offset
    lines.insert(first.lineno - 1, f"{indent}__import__('os')._exit({REACHED})\n")
    return "".join(lines)
