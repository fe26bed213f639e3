"""What one pass of sync saw and did."""

from dataclasses import dataclass, field


@dataclass
class Report:
    """What one pass saw and did."""

    submitted: int = 0
    ended: int = 0
    rows: int = 0
    refused: int = 0
    pending: int = 0
    running: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether the catalog is another than before."""
        return bool(self.submitted or self.ended or self.rows or self.refused)
