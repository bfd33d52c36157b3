"""Studies: a plan is turned into runs, which are tuned, chosen and repeated; finished runs are never repeated."""
