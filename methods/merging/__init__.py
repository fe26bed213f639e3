"""How weights are combined: one file each, holding one pure function `merge(history, *, key=default, ...)`."""
