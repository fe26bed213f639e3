"""Measurements; each module here is run by itself (`python -m benchmarks.scheduler`).

README.md has the records.
"""
