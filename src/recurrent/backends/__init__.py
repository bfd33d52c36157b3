"""Ways to run a layer; `spec` says what one is given, `choose` which one runs."""
