"""The pages of the app, one file each: a function `page(snapshot)` and a `TITLE`.

Pages share `reading` (the snapshot), `words` (menus of the sentence's words) and `showing` (tables,
files, SQL); figures come from `queries.figures`. A page shows only numbers from a view or macro of
queries/, and its choices are in its address, by the names of the widgets. The folder is not called
pages/ because Streamlit would run that by itself.
"""
