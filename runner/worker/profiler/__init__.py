"""Profiles: the cost of a step of each method, counted on tensors without contents."""
