"""What `runner.trial` does, step by step: train, evaluate, write checkpoints and count costs. Never imports duckdb."""
