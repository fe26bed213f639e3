"""How the towers are run over a batch: compiled, in chunks, by several processes."""
