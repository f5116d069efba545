"""One pass after the other: what the operator wrote, what is there, what is to be done."""
