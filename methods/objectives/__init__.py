"""Objectives: the loss of a method. Each file holds one dataclass (`methods.Objective`)."""
