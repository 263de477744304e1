"""Pure rules of Plumbline: money, MRR, payment status, lifecycle, identity, account fold."""
