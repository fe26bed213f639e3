"""How pairs are read: one file a format, one public dataclass in it, whose fields are the keys of
`dataset.params`.
"""
