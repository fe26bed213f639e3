"""The procedural world of the embedded default: shapes, scenes, captions, and how they are drawn."""
