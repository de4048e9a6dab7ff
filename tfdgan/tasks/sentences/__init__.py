"""What the tasks of sentences share: options, and how their generators are fed."""
