"""Checks and measurements that need a GPU, run within ten minutes by `make gpu`.

Each module here is one part, run in a process of its own: `python -m benchmarks.gpu NAME`. Nothing
is downloaded: weights are random, and pictures and pairs are drawn. What came of it is kept in
`record.json`, and docs/accelerators.md shows it.
"""
