"""`plumbline review`: the queue of questions about matches, and its answers."""
