"""The journey: `runner.sync` makes the cluster do what the rows say.

`runner.trial` runs one trial, on the GPU half.
"""
