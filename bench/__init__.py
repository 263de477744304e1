"""Measurements of the whole system; `make bench` prints them as a table and as JSON."""
