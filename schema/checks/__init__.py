"""What rows are refused for before a job exists, and the words in which a person is told."""
