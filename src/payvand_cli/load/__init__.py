"""`payvand load`: many payers at once on the local stack, and what must hold afterwards."""
