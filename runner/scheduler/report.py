"""What one pass of sync saw and did."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Report:
    """What one pass saw and did."""

    submitted: int = 0
    ended: int = 0
    rows: int = 0
    refused: int = 0
    pending: int | None = None  # trials that could start; None: nobody has looked
    running: int = 0  # attempts without an end, queued ones too
    problems: list[tuple[str, str]] = field(
        default_factory=list
    )  # who (squeue, a batch, trial 42, a receipt), what
    silent: set[str] = field(
        default_factory=set
    )  # backends that did not answer: nothing more is asked of them in this pass
    noted: bool = False  # problems came or went
    queue: Counter[str] = field(default_factory=Counter)  # why jobs wait, in the scheduler's words

    def problem(self, subject: str, message: str) -> None:
        """Note what could not be trusted or reached, once."""
        if (subject, message) not in self.problems:
            self.problems.append((subject, message))

    @property
    def changed(self) -> bool:
        """Whether the catalog is another than before."""
        return bool(self.submitted or self.ended or self.rows or self.refused or self.noted)
