"""A machine without Rust gets the extension from the archive of `make package`."""

import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.server import Server
from support.system import PROJECT, bindir, folder

# Neither cargo nor a compiler is on it.
PATH = "/nowhere/bin"
TOOLS = "basename cat chmod cmp cp dirname mkdir mv pwd rm sed sh uname".split()


def pg_config(option: str, program: Path | str = "") -> str:
    program = program or f"{bindir()}/pg_config"
    return subprocess.run([program, option], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def archive() -> Path:
    done = subprocess.run([PROJECT / "scripts/package"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(done.stdout.splitlines()[-1].removeprefix("==> packed: "))


@pytest.fixture
def unpacked(archive: Path, tmp_path: Path) -> Path:
    """Its folder, in an empty one."""
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="tar")
    (only,) = tmp_path.iterdir()
    return only


@pytest.fixture
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with nothing but a few of the programs that every machine has."""
    programs = tmp_path_factory.mktemp("bin")
    for tool in TOOLS:
        (programs / tool).symlink_to(shutil.which(tool) or pytest.fail(f"no {tool}"))
    return str(programs)


@pytest.fixture
def other_postgresql() -> Iterator[Path]:
    """The pg_config of a copy of PostgreSQL that has no pg_triage: its programs find the rest beside
    them."""
    with folder("pg_copy") as root:
        for option in ("--bindir", "--pkglibdir", "--sharedir"):
            original = Path(pg_config(option))
            copy = root / original.relative_to("/")
            if not copy.exists():
                shutil.copytree(original, copy, symlinks=True, ignore=shutil.ignore_patterns("*pg_triage*"))
        yield root / Path(bindir()).relative_to("/") / "pg_config"


def install(unpacked: Path, path: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [unpacked / "install.sh"], env={"PATH": path} | environment, capture_output=True, text=True, cwd="/"
    )


def test_the_archive_has_what_is_needed(unpacked: Path):
    files = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    version = unpacked.name.split("-")[1]
    assert files == {
        "install.sh", "LICENSE", "CHANGELOG.md", "bin/deliver_mail", "bin/load_mail", "lib/pg_triage.so",
        "extension/pg_triage.control", f"extension/pg_triage--{version}.sql",
    }  # fmt: skip
    assert f"default_version = '{version}'" in (unpacked / "extension/pg_triage.control").read_text()


def test_it_installs_into_a_server_that_then_classifies(
    unpacked: Path, path: str, other_postgresql: Path, monkeypatch: pytest.MonkeyPatch
):
    assert not Path(pg_config("--pkglibdir", other_postgresql), "pg_triage.so").exists()
    done = install(unpacked, path, PG_CONFIG=str(other_postgresql))
    assert done.returncode == 0, done.stdout + done.stderr

    monkeypatch.setenv("PG_CONFIG", str(other_postgresql))
    server = Server("package", "shared_preload_libraries=pg_triage")
    server.remove()
    try:
        server.start()
        with server.database() as database:
            database.run("SELECT triage.load_sample()")
            assert database.value("SELECT count(*) FROM triage.email") > 0
            where = database.value("SELECT setting FROM pg_config WHERE name = 'PKGLIBDIR'")
            assert where == pg_config("--pkglibdir", other_postgresql)
    finally:
        server.remove()


def test_it_installs_into_a_folder(unpacked: Path, path: str, tmp_path: Path):
    root = tmp_path / "root"
    done = install(unpacked, path, PG_CONFIG=f"{bindir()}/pg_config", DESTDIR=str(root), BINDIR="/usr/local/bin")
    assert done.returncode == 0, done.stdout + done.stderr
    library = root / pg_config("--pkglibdir").lstrip("/") / "pg_triage.so"
    assert library.read_bytes() == (unpacked / "lib/pg_triage.so").read_bytes()
    assert os.access(root / "usr/local/bin/deliver_mail", os.X_OK)
    assert len(list((root / pg_config("--sharedir").lstrip("/") / "extension").iterdir())) == 2


def test_again_it_changes_nothing(unpacked: Path, path: str, tmp_path: Path):
    there = {"PG_CONFIG": f"{bindir()}/pg_config", "DESTDIR": str(tmp_path / "root")}
    assert install(unpacked, path, **there).stdout
    assert install(unpacked, path, **there).stdout == ""


def test_a_new_library_is_a_new_file(unpacked: Path, path: str, tmp_path: Path):
    """A server that has the old one loaded would crash if that was written into."""
    there = {"PG_CONFIG": f"{bindir()}/pg_config", "DESTDIR": str(tmp_path / "root")}
    library = tmp_path / "root" / pg_config("--pkglibdir").lstrip("/") / "pg_triage.so"
    library.parent.mkdir(parents=True)
    library.write_bytes(b"old")
    with library.open("rb") as loaded:
        assert install(unpacked, path, **there).returncode == 0
        assert loaded.read() == b"old"
    assert library.stat().st_size > 1000
    assert [file.name for file in library.parent.iterdir()] == ["pg_triage.so"]


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"PG_CONFIG": "/bin/true"}, "is not of that version"),
        ({"PG_CONFIG": "/no/such/file"}, "is not of that version"),
        ({"DESTDIR": "/proc"}, "cannot be written"),
    ],
)
def test_it_says_what_is_wrong(unpacked: Path, path: str, environment: dict, complaint: str):
    done = install(unpacked, path, **{"PG_CONFIG": f"{bindir()}/pg_config"} | environment)
    assert done.returncode == 1
    assert complaint in done.stderr


def test_it_refuses_another_processor(unpacked: Path, path: str):
    other = unpacked.rename(unpacked.with_name(unpacked.name.rsplit("-", 1)[0] + "-s390x"))
    done = install(other, path, PG_CONFIG=f"{bindir()}/pg_config")
    assert done.returncode == 1
    assert "s390x" in done.stderr
