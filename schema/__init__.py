"""The database half's ground: tables, the catalog file, and the definition of a trial.

Never imports torch.
"""
