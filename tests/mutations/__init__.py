"""Changes of one operator, constant or condition, and whether the nearest fast tests notice them.

`python -m tests.mutations PATH ... [--sample N --seed S]`; see CONTRIBUTING.md.
"""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A file with one change: the text between two offsets replaced."""

    path: str
    line: int
    start: int
    end: int
    old: str
    new: str

    def applied(self, text: str) -> str:
        """Return the text of the file with the change."""
        return text[: self.start] + self.new + text[self.end :]

    def key(self, text: str) -> str:
        """Return a name that stays while other lines of the file change.

        It is made of the line, of which such lines it is and of the change within it.
        """
        first = text.rfind("\n", 0, self.start) + 1
        end = text.find("\n", first)
        line = text[first : end if end >= 0 else len(text)]
        # Of equal lines, such as `return 0`, each is one of its own
        before = text[:first].splitlines().count(line)
        parts = [self.path, line.strip(), str(before), str(self.start - first), self.old, self.new]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.old!r} became {self.new!r}"
