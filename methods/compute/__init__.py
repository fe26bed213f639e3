"""The ways to run towers over a batch: compiled, in chunks, by several processes."""
