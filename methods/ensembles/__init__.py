"""Ensembles: how several plain CLIPs answer as one. One file each, holding a dataclass.

A method whose `deploy` is `ensemble` trains as any other, and is measured as several models. What
the models are is said by `members` (`methods/ensembling.py`), and how their embeddings become those
of one by the rule: a subclass of `methods.ensembling.Rule`, whose fields are its keys.
"""
