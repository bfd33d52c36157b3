"""Statistics on plain arrays, independent of runs: intervals, paired tests, power and the three-sided decision."""
