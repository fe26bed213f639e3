"""The formats of datasets: one file each, with one public dataclass, whose fields are the keys of
`dataset.params`.
"""
