"""Schema changes of this package, run by `plumbline migrate`."""
