"""Arrays in, numbers out: intervals, paired tests, power and the three-sided decision, which know nothing of runs."""
