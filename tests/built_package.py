"""Checks a built release: ``python tests/built_package.py dist`` prints what is wrong with it."""

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHECKOUT = (".ci/", ".editorconfig", ".github/", ".pre-commit-config.yaml")
"""Where the files begin that only a checkout needs."""
MADE = {"PKG-INFO"}
"""What an archive holds besides tracked files."""


def tracked(*folders: str) -> set[str]:
    """The files below these folders that git tracks."""
    listed = subprocess.run(
        ["git", "ls-files", *folders], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(listed.stdout.splitlines())


def wheel_faults(names: set[str], files: set[str]) -> Iterator[str]:
    """What is wrong with a wheel of these names, made from these files of the package."""
    inside = {name for name in names if ".dist-info/" not in name}
    yield from (f"the wheel lacks {name}" for name in sorted(files - inside))
    yield from (f"the wheel also holds {name}" for name in sorted(inside - files))
    if "llm_erm/py.typed" not in inside:
        yield "the wheel does not say that it is typed"
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in names):
        yield "the wheel has no licence"


def archive_faults(names: set[str], files: set[str]) -> Iterator[str]:
    """What is wrong with a source archive of these names, made from these files."""
    wanted = {name for name in files if not name.startswith(CHECKOUT)} | MADE
    yield from (f"the archive lacks {name}" for name in sorted(wanted - names))
    yield from (f"the archive also holds {name}" for name in sorted(names - wanted))


def faults(folder: Path) -> Iterator[str]:
    """What is wrong with the one wheel and the one source archive in a folder."""
    (wheel,) = folder.glob("*.whl")
    (archive,) = folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as built:
        package = {name.removeprefix("src/") for name in tracked("src")}
        yield from wheel_faults(set(built.namelist()), package)
    with tarfile.open(archive) as built:
        names = {one.name.partition("/")[2] for one in built.getmembers() if one.isfile()}
        yield from archive_faults(names, tracked())


if __name__ == "__main__":
    wrong = list(faults(Path(sys.argv[1])))
    sys.stdout.write(
        "".join(f"{one}\n" for one in wrong or ["The wheel and the archive hold what they should."])
    )
    sys.exit(bool(wrong))
