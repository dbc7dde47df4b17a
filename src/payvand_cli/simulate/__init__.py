"""Many seeded runs of the whole product in one process, on a clock set by hand."""
