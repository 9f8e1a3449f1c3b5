"""Prints one hostile message, so that a failure can be looked at. For libFuzzer:

--messages FOLDER BYTES     writes one of each shape
--bodies FOLDER BYTES       the same without their headers
--units FOLDER              writes what shapes repeat, as fuzz/fuzz_targets/repeated.rs reads it
--payloads FOLDER           writes what services post to a web hook
--dictionary                prints what has a meaning somewhere
"""

import json
import sys
from pathlib import Path

from . import SHAPES, make
from .build import TOKENS, UNITS


def write(folder, size, bodies):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(SHAPES):
        raw = make(name, size)[: 2 * size]
        (folder / f"shape_{number:03}").write_bytes(raw.partition(b"\r\n\r\n")[2] if bodies else raw)


def write_units(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for number, (head, unit) in enumerate(UNITS.values()):
        if len(unit) < 64:
            for kind, before in ("message", head), ("body", head.partition(b"\r\n\r\n")[2]):
                (folder / f"{kind}_{number:03}").write_bytes(before + unit + bytes([len(unit)]))


def write_payloads(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    services = Path(__file__).parents[2] / "crates/web_hook/tests/services.json"
    for number, case in enumerate(json.loads(services.read_text())):
        (folder / f"payload_{number:03}").write_text(json.dumps(case["payload"]))


def quoted(token):
    return '"{}"'.format("".join(f"\\x{byte:02x}" for byte in token))


match sys.argv[1:]:
    case []:
        print(*SHAPES, sep="\n")
    case ["--messages" | "--bodies" as what, folder, size]:
        write(folder, int(size), what == "--bodies")
    case ["--units", folder]:
        write_units(folder)
    case ["--payloads", folder]:
        write_payloads(folder)
    case ["--dictionary"]:
        print(*map(quoted, TOKENS), sep="\n")
    case [name, *numbers]:
        sys.stdout.buffer.write(make(name, *map(int, numbers)))
