"""Real nodes on this machine: installing, starting, watching over and stopping them."""
