"""`plumbline links`: what is linked to what, since when, and by whom."""
