"""Checks what `sam build` built, and binds the built template to it.

    python infra/pin_build.py .aws-sam/build

Each function's bootstrap must be a program for one and the same processor and need no newer C
library than the runtime has. The built template then allows no other Architecture, and takes that
one by default: functions cannot be declared for another processor than their binaries are for.
"""

import pathlib
import re
import sys

from samcli.yamlhelper import yaml_dump, yaml_parse

# What the runtime provided.al2023 has.
NEWEST_GLIBC = (2, 34)
# Bytes 18 and 19 of an ELF file, and what Lambda calls that machine.
MACHINES = {b"\x3e\x00": "x86_64", b"\xb7\x00": "arm64"}


def architecture(program: bytes) -> str | None:
    """The processor that a program is for; None for what Lambda could not run."""
    return MACHINES.get(program[18:20]) if program[:4] == b"\x7fELF" else None


def glibc(program: bytes) -> tuple[int, ...]:
    """The newest version of the C library that a program asks for; empty for none."""
    found = re.findall(rb"GLIBC_(\d+(?:\.\d+)+)", program)
    return max((tuple(map(int, version.split(b"."))) for version in found), default=())


def pin(template: str, built_for: str) -> str:
    """The template, allowing one architecture alone."""
    parsed = yaml_parse(template)
    parsed["Parameters"]["Architecture"] |= {"Default": built_for, "AllowedValues": [built_for]}
    return yaml_dump(parsed)


def main(folder: pathlib.Path) -> str | None:
    """Checks and pins; gives what is wrong, if anything is."""
    built_for = set()
    for bootstrap in sorted(folder.glob("*/bootstrap")):
        program = bootstrap.read_bytes()
        found, needed = architecture(program), glibc(program)
        if found is None:
            return f"{bootstrap} is no program for Lambda"
        version = ".".join(map(str, needed)) or "none"
        if needed[:2] > NEWEST_GLIBC:
            return f"{bootstrap} needs glibc {version}; the runtime has {NEWEST_GLIBC[0]}.{NEWEST_GLIBC[1]}"
        print(f"{bootstrap}: {len(program) // 1024} KiB, {found}, glibc {version}")
        built_for.add(found)
    if len(built_for) != 1:
        return f"built for {' and '.join(sorted(built_for)) or 'nothing'}, not for one processor"
    template = folder / "template.yaml"
    template.write_text(pin(template.read_text(), built_for.pop()))
    return None


if __name__ == "__main__":
    problem = main(pathlib.Path(sys.argv[1]))
    sys.exit(f"infra/pin_build.py: {problem}" if problem else 0)
