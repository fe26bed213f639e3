"""The costs of a step of each method, counted before it is taken, on tensors without contents."""
