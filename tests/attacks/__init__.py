"""Hostile mail: messages made to hurt whoever reads them.

A shape is one idea of an attacker, which can be made in any size: a hundred thousand empty
parts, say. Everything is generated, and the same each time. One message on standard output:

    PYTHONPATH=tests python3 -m attacks NAME [BYTES [SEED]]       without NAME: lists the names
"""

from . import encodings, formats, headers, html, packed, structure  # noqa: F401 (each adds its shapes)
from .build import SHAPES, make, mutated

__all__ = ["SHAPES", "attacks", "make", "mutated"]

# With seed 0 a shape is as it was thought out; with another one it is damaged as well.
SMALL = [(1_000, 0), (1_000, 1), (20_000, 2), (200_000, 0)]


def attacks():
    """Some of each shape: (name, bytes that were asked for, seed, message)."""
    for name in SHAPES:
        for size, seed in SMALL:
            yield name, size, seed, make(name, size, seed)
