"""A PostgreSQL server of the distribution's package, started for the tests in a temporary folder and reached through
a socket there alone."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

PLACES = "/usr/lib/postgresql/*/bin"


class Missing(Exception):
    """There is no server that could be started; the message says why."""


class Server:
    """A server that runs; `new_database` makes an empty database and gives its URL."""

    def __init__(self, folder: Path, user: str) -> None:
        self.folder, self.user, self.made = folder, user, 0

    def new_database(self) -> str:
        self.made += 1
        name = f"lab{self.made}"
        with psycopg.connect(
            host=str(self.folder), user=self.user, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql://{self.user}@/{name}?host={self.folder}"


def programs() -> Path:
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/").glob(PLACES[1:]))
    if not folders:
        raise Missing("no PostgreSQL here: install the distribution's package `postgresql`")
    return folders[-1]


def account() -> str:
    """Who runs the server: it refuses to be run by root."""
    if os.getuid():
        return pwd.getpwuid(os.getuid()).pw_name
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        raise Missing("PostgreSQL is not run by root, and there is no user `postgres`") from None


@contextmanager
def running() -> Iterator[Server]:
    """Missing where there is no server to start."""
    bin_, user = programs(), account()
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: a socket's path has 107 bytes at most
    shutil.chown(folder, user)
    as_user = (
        {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
        if os.getuid() == 0
        else {}
    )

    def run(program: str, *arguments: str) -> None:
        done = subprocess.run(
            [bin_ / program, "-D", folder / "data", *arguments], cwd=folder, **as_user,
            capture_output=program == "initdb", text=True,
            **({} if program == "initdb" else {"stdout": subprocess.DEVNULL}),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c max_connections=200"
    try:
        run("initdb", "--auth=trust", "--encoding=UTF8", "--no-locale", f"--username={user}")
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield Server(folder, user)
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
