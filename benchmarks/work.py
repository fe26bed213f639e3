"""Do the work that each line of the scheduler's table is about.

It is done by Weir (""), and by what it is compared with.
"""

CLOCK = (
    "A time is that of a whole process, from its start to its end, with its imports; peak memory is that of the process, or of a "
    "command that it runs if that is larger. Each was run once unless it says otherwise. Both sides of a line are given the same "
    "trials; what each does with them is said here, and is not always as much."
)
WORK = {
    "insert": {
        "": (
            "`python -m schema grid.sql` on a catalog without trials: inserted in one transaction, every word held against its "
            "table, a snapshot published"
        ),
        "Optuna": "`enqueue_trial` for each, with the same seven words as its parameters, into an empty study",
        "PyExperimenter": (
            "`fill_table_with_rows`, with the same seven words as key fields, into an empty table; in as many calls as SQLite's "
            "limit of variables in one statement asks for"
        ),
    },
    "again": {
        "": "the same command again, to which nothing is new",
        "Optuna": "the same again with `skip_if_exists=True`",
        "PyExperimenter": "the same again, which adds no rows",
    },
    "pending": {
        "": "`python -m runner.sync --dry-run`: how many trials are pending, what they will cost, and the first twenty",
        "Optuna": "`get_trials` of those that wait: how many, and the first twenty",
        "PyExperimenter": "`get_table`: how many rows were never run, and the first twenty",
    },
    "no-op sync": {
        "": (
            "`python -m runner.sync` when nothing has happened since the last one and nothing is to be submitted: every running "
            "attempt is looked for in its run folder and in the queue. The median of three. The finished trials are rows as sync "
            "writes them, definitions included; the running ones were submitted by sync and have a claim in their run folders. "
            "Slurm is a fake that answers at once"
        ),
        "Optuna": "`get_trials`: how many are in which state, and which run. It does not ask whether they still do",
        "PyExperimenter": "`get_table`: how many are in which state, and which run. It does not ask whether they still do",
        "submitit": "the state of every running job, asked in a new process, of the same fake. It knows of no finished trials",
    },
    "submit, fake Slurm": {
        "": (
            "`python -m runner.sync` with all trials pending: definitions resolved, attempts recorded, a run folder written for "
            "each, arrays as long as MaxArraySize allows, a snapshot published. The seconds are those outside Slurm's commands, "
            "which are fakes that answer at once"
        ),
        "submitit": (
            "`map_array` over a function of one trial, in arrays as long, by the same clock. A pickle is written for each, and "
            "nothing is recorded but the job ids"
        ),
    },
    "submit, real Slurm": {
        "": "the same, to a throw-away cluster on this machine and a partition that starts nothing",
        "submitit": "the same, to the same cluster",
    },
    "ingest": {
        "": (
            "`python -m runner.sync` when all attempts have just ended: receipts and Parquet files read, held to sha256, columns "
            "and range, and inserted with the outcomes in one transaction; a snapshot published. Each attempt has these rows of "
            "`result`, and some of `cost`, `progress` and `statistic` besides"
        ),
        "Optuna": (
            "the rows of `result`, read unchecked from the same Parquet files, become one attribute of each running trial, "
            "which then ends: `set_user_attr`, `tell`"
        ),
        "PyExperimenter": (
            "the rows of `result`, read unchecked from the same Parquet files, go into a log table, one by one as its "
            "documentation shows it: `process_logs` in `execute`, which also pulls each trial and notes its end"
        ),
        "submitit": "`result()` of each job, whose pickle holds as many rows, in a new process; then all into one Parquet file",
    },
}
