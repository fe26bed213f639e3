"""Selections of the pairs of a batch. Each file holds one dataclass (`methods.Selection`)."""
