"""The steps of `runner.trial`: train, evaluate, write checkpoints, count costs. Never imports duckdb."""
