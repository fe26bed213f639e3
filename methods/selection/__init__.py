"""Selections of the pairs that a batch is made of: a dataclass a file (`methods.Selection`)."""
