"""What there is to learn from: clips and their faults, splits, segments."""
