"""Prints one hostile message, so that a failure can be looked at."""

import sys

from . import SHAPES, make

if len(sys.argv) < 2:
    print(*SHAPES, sep="\n")
else:
    sys.stdout.buffer.write(make(sys.argv[1], *map(int, sys.argv[2:])))
