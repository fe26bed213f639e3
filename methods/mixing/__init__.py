"""Who says the shares of a task's segments. Each file holds one dataclass (`methods.Mixing`)."""
