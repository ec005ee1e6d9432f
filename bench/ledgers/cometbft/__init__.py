"""CometBFT: several validators on this machine, with our own application or the project's key-value example.

`application/` is the Go program of a node; the Python beside it writes the files it reads, starts and stops it.
"""
