"""The parts of the report: pictures and tables of a summary, and the page that holds them."""
