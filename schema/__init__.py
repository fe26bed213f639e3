"""The basis of the database half: tables, the catalog file, and the definition of a trial.

It never imports torch.
"""
