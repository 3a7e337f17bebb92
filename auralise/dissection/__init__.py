"""What a feature hears: concepts with exact masks, names and their exam."""
