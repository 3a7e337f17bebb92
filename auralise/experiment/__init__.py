"""What is asked for: settings, settings that contradict each other, checks of results."""
