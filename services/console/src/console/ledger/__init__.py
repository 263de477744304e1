"""Commands that read the ledger: an account's history, the book at a date, a month's movements."""
