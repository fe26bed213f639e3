"""What the loss asks for: one file each, holding one dataclass (the protocol is `methods.Objective`)."""
