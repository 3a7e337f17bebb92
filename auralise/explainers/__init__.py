"""What explains a network, behind one protocol, on songs of any length."""
