"""The pages of the app, one file each: a function `page(snapshot)` and a `TITLE`.

Several pages need `reading` (the snapshot), `words` (choosing from the sentence) and `showing`
(tables, files, SQL); figures are those of `queries.figures`. A page shows no number that is not
from a view or macro of queries/, and what is chosen on it stands in its address, by the name of the
widget. The folder has this name because Streamlit would run one called pages/ by itself.
"""
