"""What happens after a task, on pairs of earlier tasks: one file each, holding one dataclass (`methods.Repair`)."""
