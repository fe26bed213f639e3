"""Which of many candidate pairs a batch is made of: one file each, holding one dataclass (`methods.Selection`)."""
