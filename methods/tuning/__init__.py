"""Tunings: which parameters move during a task.

One file each, holding one dataclass. What it must do is `methods.Tuning`.
"""
