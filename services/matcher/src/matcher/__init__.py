"""Folds the ordered log of observations into accounts."""
