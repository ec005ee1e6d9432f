"""The command line from a checkout: `python bench.py --help`. All of it lives in the package `bench`."""

from bench.cli.main import main

main()
