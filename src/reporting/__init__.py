"""A summary becomes a page, a terminal table, CSV files or a wandb workspace."""
