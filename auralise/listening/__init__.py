"""The page to listen on."""
