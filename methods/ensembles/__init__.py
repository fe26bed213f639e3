"""Ensembles: rules by which several plain CLIPs answer as one. Each file holds one dataclass.

A method whose `deploy` is `ensemble` trains like any other and is evaluated as several models.
`members` names the models (`methods/ensembling.py`). The rule combines their embeddings into one
model's; it is a subclass of `methods.ensembling.Rule`, and its fields are the keys that a row may
set.
"""
