"""Checks that refuse invalid rows before a job exists, and their messages."""
