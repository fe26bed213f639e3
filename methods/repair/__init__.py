"""Stages after a task, on pairs of earlier ones: a dataclass a file (`methods.Repair`)."""
