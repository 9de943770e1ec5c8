"""`python -m bench` runs all benchmarks; names and options as for `python -m bench.run`."""

import sys

from bench.run import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["all"]))
