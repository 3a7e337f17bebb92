"""What a network is: the genre network, SVDNet, inverters, and how networks are named."""
