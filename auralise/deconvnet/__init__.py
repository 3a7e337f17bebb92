"""What a feature sees: Zeiler and Fergus's deconvolution."""
