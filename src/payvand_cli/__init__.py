"""The payvand command: the local stack and the tools around it."""
