"""The procedural world of the embedded default: shapes, scenes and captions."""
