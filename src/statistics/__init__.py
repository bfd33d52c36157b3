"""Arrays in, numbers out: intervals, tests and power, which know nothing of runs."""
