"""A bundle as one file, .zip or .tar.gz: packed, and unpacked as what it is, somebody else's data. Only the names that
an export writes are written, into a new folder, and no more bytes than an export holds; whether what is in the files
is good is asked of `bundle.Bundle` afterwards."""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from memfactory_core.errors import RunError
from memfactory_core.runs.bundle import (
    DENSEST,
    EPISODES,
    LONGEST_EPISODES,
    LONGEST_METRICS,
    LONGEST_RECORD,
    LONGEST_WEIGHTS,
    METRICS,
    MOST_FILES,
    POLICY_ENDINGS,
    RECORD,
)

ENDINGS = (".zip", ".tar.gz", ".tgz")
LIMITS = {RECORD: LONGEST_RECORD, METRICS: LONGEST_METRICS, EPISODES: LONGEST_EPISODES}
"""Bytes of each file at most; those of the policy may have LONGEST_WEIGHTS."""
CHUNK = 1 << 20
BLOCK = 512
"""Bytes in which a tar file is written."""
SPARE = 1 << 20
"""Bytes that a small file may hold beyond DENSEST times its size."""
LONGEST_CONTENTS = 1 << 20
"""Bytes of a zip file's table of contents; 200 short names need far less."""
_PACKED = (".gz", ".safetensors")
"""Endings of files that hardly become smaller."""


def is_file_name(path: Path) -> bool:
    """Whether a path names a bundle of one file, rather than a folder."""
    return path.name.lower().endswith(ENDINGS)


def pack(folder: Path, file: Path) -> None:
    """Writes a bundle's folder as one file, whole or not at all. RunError where the file is there already."""
    if file.exists():
        raise RunError(f"{file} is there already; name a new file")
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    try:
        if file.name.lower().endswith(".zip"):
            _write_zip(folder, names, part)
        else:
            _write_tar(folder, names, part)
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)


def _write_zip(folder: Path, names: list[str], part: Path) -> None:
    with zipfile.ZipFile(part, "w") as archive:
        for name in names:
            kind = zipfile.ZIP_STORED if name.endswith(_PACKED) else zipfile.ZIP_DEFLATED
            entry = zipfile.ZipInfo(name)
            entry.compress_type, entry.external_attr = kind, (stat.S_IFREG | 0o644) << 16
            large = (folder / name).stat().st_size > zipfile.ZIP64_LIMIT
            with open(folder / name, "rb") as source:
                with archive.open(entry, "w", force_zip64=large) as target:
                    shutil.copyfileobj(source, target, CHUNK)


def _write_tar(folder: Path, names: list[str], part: Path) -> None:
    # GNU's format holds every size and our names without further headers, which `_read_tar` refuses
    with open(part, "wb") as whole, _gzip(whole) as packed:
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for name in names:
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = (folder / name).stat().st_size, 0o644
                with open(folder / name, "rb") as source:
                    archive.addfile(entry, source)


def _gzip(whole: Any) -> gzip.GzipFile:
    """Without a name and a time in its header: the same run is the same file."""
    return gzip.GzipFile("", "wb", compresslevel=1, fileobj=whole, mtime=0)


@contextmanager
def unpacked(file: Path, beside: Path) -> Iterator[Path]:
    """The files of a bundle in a new folder within `beside`, which is removed at the end. RunError where the file is
    none that `pack` writes; nothing is written anywhere else."""
    beside.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".unpacked.{os.getpid()}.", dir=beside))
    try:
        with open(file, "rb") as opened:
            beginning = opened.read(4)
        room = _Room(file, folder)
        if beginning.startswith(b"PK\x03\x04"):
            _read_zip(file, room)
        elif beginning.startswith(b"\x1f\x8b"):
            _read_tar(file, room)
        else:
            raise RunError(f"{file} is neither a .zip nor a .tar.gz file that an export wrote")
        yield folder
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, struct.error) as error:
        raise RunError(f"{file} is damaged: {error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Room:
    """The folder that a bundle is unpacked into: which names it takes, and how many bytes."""

    def __init__(self, file: Path, folder: Path) -> None:
        self.file, self.folder = file, folder
        self.most = DENSEST * file.stat().st_size + SPARE
        self.names: set[str] = set()

    def refuse(self, why: str) -> RunError:
        return RunError(f"{self.file}: {why}")

    def take(self, name: str, size: int, read: Callable[[int], bytes]) -> None:
        """Writes a file of `size` bytes that `read` gives, at most so many at a time."""
        inside, _, last = name.rpartition("/")
        policy = inside == "policy" and last.lower().endswith(POLICY_ENDINGS)
        if not (policy or name in LIMITS) or not (name.isascii() and name.isprintable()):
            raise self.refuse(f"{name[:80]!r} is not a file of an exported run")
        if "\\" in name or name.lower() in self.names:
            raise self.refuse(f"{name[:80]!r} is in it twice, or is not a name")
        self.names.add(name.lower())
        if len(self.names) > MOST_FILES:
            raise self.refuse(f"it holds more than {MOST_FILES} files")
        self.most -= size
        if size > LIMITS.get(name, LONGEST_WEIGHTS) or self.most < 0:
            raise self.refuse(f"{name!r} unpacks into more than an exported run holds")
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        with open(path, "xb") as target:
            while size:
                piece = read(min(size, CHUNK))
                if not piece:
                    raise self.refuse(f"{name!r} is cut short")
                target.write(piece)
                size -= len(piece)


def _read_zip(file: Path, room: _Room) -> None:
    _check_contents(file, room)
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if entry.filename == "policy/" and entry.file_size == 0:
                continue
            if kind not in (0, stat.S_IFREG) or entry.filename.endswith("/"):
                raise room.refuse(f"{entry.filename[:80]!r} is not a plain file")
            if entry.flag_bits & 1:
                raise room.refuse(f"{entry.filename[:80]!r} is encrypted")
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise room.refuse(f"{entry.filename[:80]!r} is packed in a way no export uses")
            if entry.orig_filename != entry.filename:
                raise room.refuse(f"{entry.orig_filename[:80]!r} is not a name")
            with archive.open(entry) as source:
                room.take(entry.filename, entry.file_size, source.read)
                if source.read(1):  # also what checks the sum of the whole
                    raise room.refuse(f"{entry.filename[:80]!r} is longer than it says")


def _check_contents(file: Path, room: _Room) -> None:
    """RunError where the table of contents is huge: the library would read the whole of it into memory."""
    size = file.stat().st_size
    with open(file, "rb") as opened:
        start = max(0, size - 65_557 - 20)
        opened.seek(start)
        tail = opened.read()
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) < at + 22:
            raise room.refuse("it is cut short")
        length = struct.unpack_from("<L", tail, at + 12)[0]
        count = struct.unpack_from("<H", tail, at + 10)[0]
        if at >= 20 and tail[at - 20 : at - 16] == b"PK\x06\x07":
            opened.seek(min(struct.unpack_from("<Q", tail, at - 12)[0], size))
            record = opened.read(56)
            if len(record) < 56:
                raise room.refuse("it is cut short")
            count, length = struct.unpack_from("<QQ", record, 32)
    if length > LONGEST_CONTENTS or count > MOST_FILES + 1:
        raise room.refuse(f"it holds more than {MOST_FILES} files")


def _read_tar(file: Path, room: _Room) -> None:
    """Headers are read one at a time by our own hand: the library would read a long name or an extended header of any
    length into memory before it could be refused."""
    with open(file, "rb") as opened:
        stream = _Unpacker(opened, room)
        while header := stream.read(BLOCK):
            if not any(header):
                break
            if len(header) < BLOCK:
                raise room.refuse("it is cut short")
            try:
                entry = tarfile.TarInfo.frombuf(header, "ascii", "strict")
            except (tarfile.HeaderError, UnicodeDecodeError, ValueError) as error:
                raise room.refuse(f"it is damaged: {error}") from error
            if entry.isdir() and entry.name == "policy" and entry.size == 0:
                continue
            if entry.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or entry.size < 0:
                raise room.refuse(f"{entry.name[:80]!r} is not a plain file (or has a long name)")
            room.take(entry.name, entry.size, stream.read)
            stream.read(-entry.size % BLOCK)
        while rest := stream.read(CHUNK):
            if any(rest):
                raise room.refuse("something follows its end")


class _Unpacker:
    """The bytes of a gzip file, unpacked a piece at a time."""

    def __init__(self, opened: Any, room: _Room) -> None:
        self.opened, self.room = opened, room
        self.unpacker = zlib.decompressobj(wbits=31)
        self.ready = b""
        self.left = room.most + 100 * BLOCK * MOST_FILES
        """Bytes that may still come; headers and what fills their blocks included."""

    def read(self, size: int) -> bytes:
        """`size` bytes, fewer at the end."""
        while len(self.ready) < size and not self.unpacker.eof:
            packed = self.unpacker.unconsumed_tail or self.opened.read(65536)
            piece = self.unpacker.decompress(packed, CHUNK)
            if not packed and not piece:
                raise self.room.refuse("it is cut short")
            self.left -= len(piece)
            if self.left < 0:
                raise self.room.refuse("it unpacks into more than an exported run holds")
            self.ready += piece
        found, self.ready = self.ready[:size], self.ready[size:]
        if not found and (self.unpacker.unused_data or self.opened.read(1)):
            raise self.room.refuse("something follows its end")
        return found
