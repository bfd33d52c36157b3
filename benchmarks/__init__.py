"""What a step costs: contenders timed in turn, statistics, memory, tables, a picture; and the way around the kernel."""
