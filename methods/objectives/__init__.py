"""Objectives, which say what the loss asks for: a dataclass a file (`methods.Objective`)."""
