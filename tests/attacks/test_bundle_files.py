"""Bundles of one file that somebody made to do harm, and how many hostile bundles there are in all."""

import gzip
import io
import shutil
import stat
import struct
import sys
import tarfile
import zipfile

import pytest

from memfactory_core.cli.main import main
from memfactory_core.runs.archive import import_run
from memfactory_core.runs.bundle_file import pack, unpacked
from tests.attacks.test_bundles import HOSTILE, good, rows, snapshot  # noqa: F401 - a fixture
from tests.conftest import some

CLIMBING = {
    "climbs out": "../escaped.json",
    "climbs out of the policy": "policy/../../escaped.json",
    "climbs out backwards": "..\\escaped.json",
    "is absolute": "/tmp/escaped.json",
    "has a drive": "C:\\escaped.json",
    "begins with the folder": "./run.json",
    "is in a folder": "bundle/run.json",
    "is deep in the policy": "policy/a/b.json",
    "is hidden": ".bashrc",
    "is the database": "memfactory.db",
    "is a pickle": "policy/training_args.bin",
    "is code": "policy/modeling.py",
    "is in another script": "policy/\u0441onfig.json",
    "is very long": "policy/" + "x" * 5000 + ".json",
    "is a control sequence": "policy/\x1b[2J.json",
}


def contents(folder):
    return [
        (path.relative_to(folder).as_posix(), path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]


def zip_of(entries, change=lambda archive: None, method=zipfile.ZIP_DEFLATED):
    """A zip file as no export writes it; `change` adds what it likes."""

    def make(file, folder):
        with zipfile.ZipFile(file, "w", method) as archive:
            for name, content in entries(folder):
                archive.writestr(zipfile.ZipInfo(name), content, method)
            change(archive)

    return make


def tar_of(entries, change=lambda archive: None, form=tarfile.GNU_FORMAT):
    def make(file, folder):
        with tarfile.open(file, "w:gz", format=form) as archive:
            for name, content in entries(folder):
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
            change(archive)

    return make


def add_to_zip(name, mode=stat.S_IFREG, content=b"{}"):
    def add(archive):
        entry = zipfile.ZipInfo(name)
        entry.external_attr = (mode | 0o644) << 16
        archive.writestr(entry, content)

    return add


def add_to_tar(name="policy/x.json", kind=tarfile.REGTYPE, target="", size=0):
    def add(archive):
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname, entry.size = kind, target, size
        archive.addfile(entry, io.BytesIO(b"x" * size))

    return add


def zipped(*entry):
    return zip_of(contents, add_to_zip(*entry))


def tarred(name="policy/x.json", kind=tarfile.REGTYPE, target=""):
    return tar_of(contents, add_to_tar(name, kind, target))


def through_a_link(archive):
    add_to_tar("policy", tarfile.SYMTYPE, "/etc")(archive)
    add_to_tar("policy/passwd.json", size=10)(archive)


def edited(make, change):
    """A file whose bytes are changed after it was made."""

    def harm(file, folder):
        make(file, folder)
        file.write_bytes(change(file.read_bytes()))

    return harm


def flag_encrypted(content):
    """The flag of the first entry, in its own header and in the table of contents."""
    at = content.index(b"PK\x01\x02")
    changed = bytearray(content)
    changed[6] |= 1
    changed[at + 8] |= 1
    return bytes(changed)


def say_smaller(content):
    """The table of contents gives the first file one byte less than it has."""
    at = content.index(b"PK\x01\x02") + 24
    size = struct.unpack_from("<L", content, at)[0]
    return content[:at] + struct.pack("<L", size - 1) + content[at + 4 :]


def many(folder):
    return [*contents(folder), *((f"policy/{number}.json", b"{}") for number in range(300))]


def bomb(folder):
    return [*contents(folder), ("policy/x.json", b"\0" * 300_000_000)]


def twice(folder):
    return [*contents(folder), ("run.json", b"{}")]


def twice_in_capitals(folder):
    return [*contents(folder), ("policy/CONFIG.json", b"{}")]


def long_record(folder):
    return [("run.json", b" " * 5_000_000), *contents(folder)[:-1]]


def overlap(file, folder):
    """Two names in the table of contents for the same bytes."""
    zip_of(contents)(file, folder)
    with zipfile.ZipFile(file, "a") as archive:
        first = archive.infolist()[0]
        entry = zipfile.ZipInfo("policy/again.json")
        for name in ("CRC", "compress_size", "file_size", "compress_type", "header_offset"):
            setattr(entry, name, getattr(first, name))
        archive.filelist.append(entry)
        archive.NameToInfo[entry.filename] = entry
        archive._didModify = True


def endless_header(file, folder):
    """A tar file that says its first name is two billion bytes long, and gives zeros for it."""
    entry = tarfile.TarInfo("././@LongLink")
    entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, 2_000_000_000
    with gzip.open(file, "wb", compresslevel=1) as packed:
        packed.write(entry.tobuf(tarfile.GNU_FORMAT))
        for _ in range(100):
            packed.write(b"a" * 1_000_000)


FILES = {
    **{f"zip: a name {what}": zipped(name) for what, name in CLIMBING.items()},
    **{f"tar: a name {what}": tarred(name) for what, name in CLIMBING.items()},
    "zip: a link": zipped("policy/x.json", stat.S_IFLNK, b"/etc/passwd"),
    "zip: the record is a link": zip_of(
        lambda folder: contents(folder)[:-1], add_to_zip("run.json", stat.S_IFLNK, b"/etc/passwd")
    ),
    "zip: a pipe": zipped("policy/x.json", stat.S_IFIFO),
    "zip: a device": zipped("policy/x.json", stat.S_IFCHR),
    "zip: a folder": zipped("policy/deep/"),
    "zip: a bomb": zip_of(bomb),
    "zip: too many files": zip_of(many),
    "zip: the record twice": zip_of(twice),
    "zip: a name twice, once in capitals": zip_of(twice_in_capitals),
    "zip: the record is huge": zip_of(long_record),
    "zip: encrypted": edited(zip_of(contents), flag_encrypted),
    "zip: packed by bzip2": zip_of(contents, method=zipfile.ZIP_BZIP2),
    "zip: packed by lzma": zip_of(contents, method=zipfile.ZIP_LZMA),
    "zip: cut short": edited(zip_of(contents), lambda c: c[: len(c) // 2]),
    "zip: its end is missing": edited(zip_of(contents), lambda c: c[:-30]),
    "zip: a changed byte": edited(
        zip_of(contents, method=zipfile.ZIP_STORED), lambda c: c[:500] + b"!" + c[501:]
    ),
    "zip: a size that is not true": edited(zip_of(contents), say_smaller),
    "zip: two names for the same bytes": overlap,
    "zip: nothing in it": zip_of(lambda folder: []),
    "tar: a link": tarred(kind=tarfile.SYMTYPE, target="/etc/passwd"),
    "tar: a hard link": tarred(kind=tarfile.LNKTYPE, target="run.json"),
    "tar: a link, then a file through it": tar_of(lambda folder: [], through_a_link),
    "tar: a pipe": tarred(kind=tarfile.FIFOTYPE),
    "tar: a device": tarred(kind=tarfile.BLKTYPE),
    "tar: a sparse file": tarred(kind=tarfile.GNUTYPE_SPARSE),
    "tar: an unknown kind": tarred(kind=b"Z"),
    "tar: a folder": tarred("policy/deep", tarfile.DIRTYPE),
    "tar: a bomb": tar_of(bomb),
    "tar: too many files": tar_of(many),
    "tar: the record twice": tar_of(twice),
    "tar: a name twice, once in capitals": tar_of(twice_in_capitals),
    "tar: the record is huge": tar_of(long_record),
    "tar: extended headers": tar_of(
        lambda folder: [(f"policy/{'é' * 60}.json", b"{}")], form=tarfile.PAX_FORMAT
    ),
    "tar: a name without end": endless_header,
    "tar: cut short": edited(tar_of(contents), lambda c: c[: len(c) // 2]),
    "tar: a changed byte": edited(tar_of(contents), lambda c: c[:40] + b"!!!" + c[43:]),
    "tar: something behind it": edited(tar_of(contents), lambda c: c + b"more"),
    "tar: another archive behind it": edited(tar_of(contents), lambda c: c + c),
    "tar: no tar inside": lambda file, folder: file.write_bytes(gzip.compress(b"plain" * 1000)),
    "tar: a gzip bomb": lambda file, folder: file.write_bytes(gzip.compress(b"\0" * 300_000_000)),
    "neither": lambda file, folder: file.write_bytes(b"7z\xbc\xaf\x27\x1c"),
    "empty": lambda file, folder: file.write_bytes(b""),
}
PACKED = [
    name
    for name in HOSTILE
    if name.startswith(("id ", "config", "results", "an episode", "episodes", "weights"))
]
"""Folders of which the content alone is hostile: they are as hostile in a file."""


def test_the_corpus_is_large_enough():
    folders, files = len(HOSTILE), len(FILES) + len(PACKED)
    print(f"hostile bundles: {folders} folders and {files} files, {folders + files} in all")
    assert folders + files >= 45 and len(FILES) >= 45


def refuse(lab, file, place, monkeypatch, capsys):
    before = snapshot(place / "runs")
    monkeypatch.setattr(sys, "argv", ["memfactory", "import", str(file)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code == 2, said.err
    assert said.out == "" and said.err.startswith("memfactory: ")
    assert said.err.count("\n") == 1 and len(said.err) < 2000 and said.err[:-1].isprintable()
    assert ".unpacked" not in said.err, "the file is named, not where it was unpacked"
    assert snapshot(place / "runs") == before == {}
    assert rows(lab) == 0


@pytest.mark.parametrize("name", some(FILES))
def test_a_hostile_file_is_refused_in_one_line_and_leaves_nothing(
    lab, good, tmp_path, monkeypatch, capsys, name  # noqa: F811
):  # fmt: skip
    file = tmp_path / "bundle"
    FILES[name](file, good)
    refuse(lab, file, tmp_path, monkeypatch, capsys)
    assert {path.name for path in tmp_path.iterdir()} <= {"bundle", "runs"}


@pytest.mark.slow
@pytest.mark.parametrize("name", PACKED)
def test_a_hostile_folder_is_refused_as_a_file_too(
    lab, good, tmp_path, monkeypatch, capsys, name  # noqa: F811
):  # fmt: skip
    folder = shutil.copytree(good, tmp_path / "folder")
    HOSTILE[name](folder)
    ending = ".zip" if PACKED.index(name) % 2 else ".tar.gz"
    pack(folder, tmp_path / f"bundle{ending}")
    refuse(lab, tmp_path / f"bundle{ending}", tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("ending", [".zip", ".tar.gz", ".tgz"])
def test_a_good_file_is_the_same_run_as_its_folder(lab, good, tmp_path, ending):  # noqa: F811
    file = tmp_path / f"bundle{ending}"
    pack(good, file)
    with unpacked(file, tmp_path / "place") as folder:
        assert contents(folder) == contents(good)
    assert list((tmp_path / "place").iterdir()) == []
    again = file.with_name(f"again{ending}")
    pack(good, again)
    assert again.read_bytes() == file.read_bytes(), "the same run is the same file"
    run = import_run(lab, file)
    assert run.state == "finished" and import_run(lab, good).id == run.id


def test_a_little_memory_is_enough_for_a_name_without_end(good, tmp_path):  # noqa: F811
    import tracemalloc

    from memfactory_core.errors import RunError

    endless_header(tmp_path / "bundle", good)
    tracemalloc.start()
    with pytest.raises(RunError), unpacked(tmp_path / "bundle", tmp_path):
        raise AssertionError
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()
