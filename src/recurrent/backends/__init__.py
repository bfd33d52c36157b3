"""Implementations that run a layer; `spec` describes their interface, `choose` selects one."""
