"""Whether a feature reacts to key, chord or instrument: the attribute experiment."""
