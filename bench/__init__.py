"""The bench: ours beside a hand-written floor and what people usually build, in one table."""
