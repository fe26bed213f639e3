"""The steps of `runner.sync`: observe, decide, submit, ingest, audit, forecast.

Nothing here imports torch.
"""
