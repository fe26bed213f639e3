"""The pages of the app, one file each (a folder named pages/ is one that Streamlit would run by itself).

What several need: `reading` (the snapshot), `words` (choosing from the sentence), `charts` (how numbers are drawn) and `showing`
(tables, files, SQL). A page is a function `page(snapshot)`. It shows no number that is not from a view or macro of queries/, and
what is chosen on it stands in its address, by the name of the widget.
"""
