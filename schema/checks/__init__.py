"""Checks that refuse rows before a job exists, and the words in which a person is told why."""
