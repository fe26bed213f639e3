"""The parts of `runner.trial`: training, evaluation, checkpoints, costs. Imports no duckdb."""
