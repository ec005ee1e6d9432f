"""A PostgreSQL server of our own: finding the programs, making a fresh cluster, the command that starts it.

Programs: on PATH, in Debian's usual place, else Debian's package unpacked in our cache. PostgreSQL refuses to run as
root; started by root it runs as `postgres` or `nobody`, which keeps one right of root's, to pass through directories
that only root may enter (a run's directory is one).
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.ledgers.install import debian
from bench.ledgers.install.debian import DebianPackage, Program
from bench.ledgers.protocol import Progress
from bench.model.errors import LedgerError

USER = "bench"
VERSION = "15.20"
PROGRAM = Program(
    ("postgres",),
    DebianPackage(
        "postgresql-15",
        "15.20-0+deb12u1",
        {"amd64": "8566850f295c2cb5034ff5dd5b40caf97eea81b75a841c8d1f691c05ab8815db"},
        "about 35 MB with the libraries",
        companions=(
            *("libpq5", "libicu72", "libxml2", "libldap-2.5-0", "libsasl2-2", "libssl3", "libsystemd0", "liblz4-1"),
            *("libzstd1", "libgssapi-krb5-2", "libkrb5-3", "libk5crypto3", "libkrb5support0"),
        ),
    ),
    folder="usr/lib/postgresql/15/bin",
)
_USUAL = Path("/usr/lib/postgresql")
_INITDB_S = 120.0
_FALLBACK_USERS = ("postgres", "nobody")
_PASS_DIRECTORIES = "+dac_override"


@dataclass(frozen=True, slots=True)
class Programs:
    """`postgres` and `initdb` of one version. `tree` is our copy of the package, None when they are the machine's."""

    folder: Path
    tree: Path | None = None

    @property
    def postgres(self) -> Path:
        """The server."""
        return self.folder / "postgres"

    def environment(self) -> Mapping[str, str]:
        """Ours, without PostgreSQL's own variables, and with the copy's libraries."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        if self.tree is None:
            return plain
        folders = sorted({str(path.parent) for path in self.tree.glob("usr/lib/*-linux-*/*.so*")})
        return {**plain, "LD_LIBRARY_PATH": os.pathsep.join(folders)}

    def version(self) -> str:
        """Such as 15.18; "unknown" when the program does not say."""
        try:
            command = [str(self.postgres), "--version"]
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=20, check=True, env=dict(self.environment())
            )
        except (OSError, subprocess.SubprocessError):
            return "unknown"
        words = done.stdout.split()
        return words[2] if len(words) > 2 else "unknown"


def installed() -> Programs | None:
    """The newest of the machine's own, else the cached ones; asks no network."""
    if found := shutil.which("postgres"):
        folder = Path(found).resolve().parent
        if (folder / "initdb").is_file():
            return Programs(folder)
    usual = [path.parent for path in _USUAL.glob("*/bin/postgres") if (path.parent / "initdb").is_file()]
    if usual:
        return Programs(max(usual, key=lambda folder: float(folder.parent.name)))
    cached = debian.installed(PROGRAM)
    return None if cached is None or cached.tree is None else Programs(cached.path.parent, cached.tree)


def install(progress: Progress) -> Programs:
    """As `installed`, fetching Debian's package where there is none."""
    if found := installed():
        return found
    fetched = debian.install(PROGRAM, progress)
    return Programs(fetched.path.parent, fetched.tree)


def make_cluster(programs: Programs, data: Path, password: str) -> None:
    """A fresh cluster in `data`, with one role that needs `password` from wherever it comes."""
    try:
        data.mkdir(mode=0o700, parents=True)
    except OSError as error:
        remedy = "give a directory without a ledger in it, that may be written"
        raise LedgerError(f"no cluster can be made there: {error.strerror}", value=str(data), remedy=remedy) from error
    _hand_over(data)
    secret = data.parent / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    command = [str(programs.folder / "initdb"), "--pgdata", str(data), "--username", USER, "--encoding", "UTF8"]
    command += ["--locale", "C", "--auth", "scram-sha-256", "--pwfile", str(secret)]
    try:
        subprocess.run(
            unprivileged(command),
            capture_output=True,
            text=True,
            timeout=_INITDB_S,
            check=True,
            env=dict(programs.environment()),
            cwd=data,
        )
    except subprocess.CalledProcessError as error:
        reason = (error.stderr or error.stdout).strip().splitlines()[-1:]
        raise LedgerError(
            f"initdb failed: {' '.join(reason)}", value=str(data), remedy="check disk space and permissions there"
        ) from error
    except (OSError, subprocess.SubprocessError) as error:
        raise LedgerError(f"initdb failed: {error}", value=str(programs.folder), remedy="install it again") from error
    finally:
        secret.unlink()


def unprivileged(command: Sequence[str]) -> list[str]:
    """`command` as it is, or, when we are root, as another user in the same process."""
    if os.geteuid() != 0:
        return list(command)
    setpriv = shutil.which("setpriv")
    user = _other_user()
    if setpriv is None:
        raise LedgerError(
            "PostgreSQL does not run as root, and `setpriv` to leave root with is not on PATH",
            remedy="run as another user, or install util-linux",
        )
    switch = [setpriv, "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
    switch += ["--inh-caps", f"-all,{_PASS_DIRECTORIES}", "--ambient-caps", _PASS_DIRECTORIES]
    switch += ["--bounding-set", f"-all,{_PASS_DIRECTORIES}", "--pdeathsig", "keep"]
    return [*switch, *command]


def _hand_over(data: Path) -> None:
    """PostgreSQL wants its cluster to be its own user's."""
    if os.geteuid() == 0:
        user = _other_user()
        os.chown(data, user.pw_uid, user.pw_gid)


def _other_user() -> pwd.struct_passwd:
    for name in _FALLBACK_USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise LedgerError("no user but root to run PostgreSQL as", value=_FALLBACK_USERS, remedy="add a user `postgres`")
