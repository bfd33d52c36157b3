"""Present a summary as a page, a terminal table, CSV files or a wandb workspace."""
