"""The training loop: what a run begins with, epochs, optimiser, leaks. It knows nothing of the network it trains."""
