"""Repairs: training stages after a task, on pairs of earlier ones. Each file holds one dataclass
(`methods.Repair`).
"""
