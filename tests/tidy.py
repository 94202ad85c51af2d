#!/usr/bin/env python3
"""The conventions that a program can check, checked: layers, sizes, banned names, contracts.

Run from the root of the tree: `python3 tests/tidy.py`. Prints `file:line: fault`, exits 1 on any.
"""
import re
import sys
from pathlib import Path

# Who may include whom; CMakeLists.txt says the same, so a forbidden include does not build either.
# A folder always may include itself; tests may include everything.
LAYERS = {
    "core": set(),
    "mail": {"core"},
    "proto": {"core"},
    "net": {"core"},
    "router": {"core", "mail", "net", "proto"},
    "storage": {"core", "mail", "net", "proto", "router"},
    "frontend": {"core", "mail", "net", "router"},
    "roles": {"core", "mail", "net", "router", "storage", "frontend"},
}
# A foreign header belongs to the folders or files that hide it from all others.
FOREIGN = {
    "uv.h": ("net/",),
    "openssl/": ("net/",),
    "curl/": ("net/",),
    "llhttp.h": ("net/",),
    "rocksdb/": ("storage/store_rocksdb",),
    "protobuf-c/": ("net/rpc", "proto/"),
    "yaml.h": ("core/config",),
    "unicode/": ("mail/",),
    "idn2.h": ("mail/",),
    "roaring/": ("mail/uid_set",),
    "zstd.h": ("router/", "storage/"),
    "jansson.h": ("router/", "frontend/", "roles/"),
    "argon2.h": ("frontend/auth/",),
    "crypt.h": ("frontend/auth/",),
}
BANNED = {
    "strcpy": "buffer_append", "strcat": "buffer_append", "sprintf": "buffer_printf",
    "strtok": "slice_cut", "atoi": "number_parse", "strtol": "number_parse",
    "malloc": "NEW", "calloc": "NEW", "realloc": "memory_resized", "free": "memory_free",
    "gets": "line_reader", "rand": "random_next", "time": "clock_wall_ms", "assert": "CHECK",
}
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500
LINE_COLUMNS_MAX = 100


def faults_of_includes(path, lines):
    folder = path.parts[0]
    for number, line in enumerate(lines, 1):
        if match := re.match(r'#include "([^"]+)"', line):
            target = match[1].split("/")[0]
            if folder in LAYERS and target != folder and target not in LAYERS[folder]:
                yield number, f"{folder} may not include {target}"
        for foreign, homes in FOREIGN.items():
            if f"#include <{foreign}" in line and folder != "tests":
                if not str(path).startswith(homes):
                    yield number, f"{foreign} is hidden behind {', '.join(homes)}"


def faults_of_sizes(path, lines):
    if path.parts[0] != "tests" and len(lines) > FILE_LINES_MAX:
        yield FILE_LINES_MAX, f"file has {len(lines)} lines, {FILE_LINES_MAX} at most"
    opened = None
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_COLUMNS_MAX:
            yield number, f"line has {len(line)} columns, {LINE_COLUMNS_MAX} at most"
        if line == "{":
            opened = number
        if line == "}" and opened:
            if path.parts[0] != "tests" and number - opened > FUNCTION_LINES_MAX:
                yield opened, f"function has {number - opened} lines, {FUNCTION_LINES_MAX} at most"
            opened = None


def faults_of_names(path, lines):
    for number, line in enumerate(lines, 1):
        code = re.sub(r'"[^"]*"|/\*.*', "", line)
        for name, better in BANNED.items():
            if path.name != "memory.c" and re.search(rf"(?<![\w.>]){name}\(", code):
                yield number, f"{name}() is banned, use {better}"
        if re.search(r"\b(TODO|FIXME|XXX)\b", line):
            yield number, "leftover mark: finish it, or open an issue"
        if re.search(r"typedef (struct|enum|union)\b[^(]*$", line):
            yield number, "structures and enumerations have no typedef"


def faults_of_contracts(path, lines):
    """A header opens with its purpose, and every function of it is commented or in a group."""
    if path.suffix != ".h" or path.parts[0] == "tests":
        return
    if not lines or not lines[0].startswith("/*"):
        yield 1, "a header opens with a comment that says what it is for"
    for number, line in enumerate(lines, 1):
        if re.match(r"(NODISCARD |_Noreturn )?[a-z][\w ]*\*?\b[a-z]\w+\(", line):
            above = lines[number - 2]
            grouped = above.endswith((";", "*/")) and not above.startswith("#")
            if not grouped and not line.startswith(("static", "typedef")):
                yield number, "a function of a header has a comment above it or its group"


def main():
    count = 0
    for path in sorted(Path(".").rglob("*.[ch]")):
        if path.parts[0] in ("build", "out") or path.name.endswith((".pb-c.c", ".pb-c.h")):
            continue
        lines = path.read_text().splitlines()
        for faults in (faults_of_includes(path, lines), faults_of_sizes(path, lines),
                       faults_of_names(path, lines), faults_of_contracts(path, lines)):
            for number, fault in faults:
                print(f"{path}:{number}: {fault}")
                count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
