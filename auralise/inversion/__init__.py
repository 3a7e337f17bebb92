"""Feature inversion (Mishra 2018): what each layer has kept of its input."""
