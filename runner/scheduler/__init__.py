"""What `runner.sync` does, step by step: observe, decide, submit, ingest, audit, forecast. Never imports torch."""
