"""What writes the parts of the documentation that follow from the code."""
