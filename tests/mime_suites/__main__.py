"""Shows what parse_email reads otherwise than Python's `email` and has no verdict yet; starts a
server for it. With --write it writes docs/mime_suites.md instead.

    PYTHONPATH=tests target/tools/bin/python -m mime_suites [--write]
"""

import argparse

from support.server import new_server
from support.system import clean_environment

from . import PAGE, disagreements, messages, page, verdicts

arguments = argparse.ArgumentParser(prog="python3 -m mime_suites")
arguments.add_argument("--write", action="store_true", help=f"write {PAGE.name}; every disagreement needs a verdict")
write = arguments.parse_args().write
clean_environment()
files = messages()
with new_server("mime_suites") as server, server.database() as database:
    found = list(disagreements(database, files))
open_ones = [one for one in found if (one.file, one.field) not in verdicts()]
for one in open_ones:
    print(one, end="\n----\n")
print(f"{len(files)} messages, {len(found)} disagreements, {len(open_ones)} of them without a verdict")
if write and not open_ones:
    PAGE.write_text(page(files, found))
