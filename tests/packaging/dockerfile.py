"""Carries out a Dockerfile's steps in a clean folder, without docker: COPY takes only what git tracks, RUN's
`pip install` goes into an empty environment. What needs a system of its own (users, owners, the registry) is
checked by what it names and passed over.

`python -m tests.packaging.dockerfile FOLDER` prints each step and what was done."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.packaging.installation import ROOT, build_wheel, copy_tracked, install

PASSED_OVER = {"FROM", "EXPOSE", "USER"}
NEEDS_A_SYSTEM = {"useradd", "chown"}


@dataclass
class Image:
    """What the steps have made in a folder: the files, and the environment that pip installed into."""

    folder: Path
    work: str = "/"
    settings: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)

    @property
    def files(self) -> Path:
        """The root of the image's files."""
        return self.folder / "files"

    @property
    def bin(self) -> Path:
        """Where pip has put commands."""
        return self.folder / "environment" / "bin"

    def inside(self, path: str) -> Path:
        """A path of the image, from its working folder, as a path of this machine."""
        return self.files / (Path(self.work) / path).relative_to("/")


def steps(text: str) -> list[tuple[str, str]]:
    """Instructions and their arguments; comments gone, continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def carry_out(dockerfile: Path, folder: Path) -> Image:
    """The image that the steps make in `folder`. ValueError names the step that cannot be done."""
    context = folder / "context"
    copy_tracked(context)
    image = Image(folder)
    image.files.mkdir()
    for instruction, rest in steps(dockerfile.read_text()):
        print(f"{instruction} {rest}", flush=True)
        if instruction == "ARG":
            image.settings |= [rest.split("=", 1)]
        elif instruction == "ENV":
            image.variables |= [rest.split("=", 1)]
        elif instruction == "WORKDIR":
            image.work = rest
            image.inside(".").mkdir(parents=True, exist_ok=True)
        elif instruction == "COPY":
            *sources, target = rest.split()
            for source in sources:
                copy(context, source, image.inside(target))
        elif instruction == "RUN":
            for command in rest.split("&&"):
                carry_out_command(image, shlex.split(command))
        elif instruction == "CMD":
            image.command = json.loads(rest)
        elif instruction not in PASSED_OVER:
            raise ValueError(f"{instruction} {rest}: this instruction is not known here")
    return image


def copy(context: Path, source: str, target: Path) -> None:
    """COPY as docker does it: a folder's content goes to the target, a file into it."""
    found = context / source
    if found.is_dir():
        shutil.copytree(found, target, dirs_exist_ok=True)
    elif found.is_file():
        shutil.copy(found, target)
    else:
        raise ValueError(f"COPY {source}: git tracks nothing of this name")


def carry_out_command(image: Image, command: list[str]) -> None:
    """One command of a RUN step."""
    program, *arguments = command
    if command[:2] == ["pip", "install"]:
        pip_install(image, arguments[1:])
    elif program == "mkdir":
        for name in arguments:
            if not name.startswith("-"):
                image.inside(name).mkdir(parents=True, exist_ok=True)
    elif program in NEEDS_A_SYSTEM:
        print(f"  passed over: {shlex.join(command)}")
    else:
        raise ValueError(f"RUN {shlex.join(command)}: this command is not known here")


def pip_install(image: Image, arguments: list[str]) -> None:
    """`pip install`: the project itself is built from the files that are there and installed; a package
    of the registry must be pinned by the constraints."""
    constraints = image.inside(arguments[arguments.index("--constraint") + 1])
    pinned = constraints.read_text().splitlines()
    wanted = arguments[-1]
    if wanted == ".":
        made = image.folder / "wheel"
        install(build_wheel(image.inside("."), made), image.folder / "environment")
        return
    for name, value in image.settings.items():
        wanted = wanted.replace(f"${{{name}}}", value)
    if wanted not in pinned:
        raise ValueError(f"pip install {wanted}: {constraints.name} does not pin it")
    print(f"  passed over: {wanted} comes from the environment that is here")


if __name__ == "__main__":
    print(carry_out(ROOT / "Dockerfile", Path(sys.argv[1])).command)
