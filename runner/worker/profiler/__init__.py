"""What a step costs, counted before it is taken, on tensors without contents."""
