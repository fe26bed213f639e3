"""Which parameters move during a task: one file each, holding one dataclass (the protocol is `methods.Tuning`)."""
