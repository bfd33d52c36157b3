"""Studies: a plan becomes runs, the runs are tuned, chosen and repeated, and whatever is done is never done again."""
