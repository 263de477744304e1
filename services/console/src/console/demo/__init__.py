"""The demo: a story played on simulated vendors, and checked."""
