"""Stripe objects in the shapes that decide MRR, one for each row of the table of cases."""
