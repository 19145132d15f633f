"""Real Debian machines for tests: bare ones, which boot systemd, and containers.

Both begin with the archive of a bare Debian that MIRRORWISE_DEBIAN names (`.ci/run` makes it), and need
root. What is installed in them comes through the package clients of this machine's distribution, so a machine
that installs has this machine's network; one that has booted has a network of the test alone.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import need_program, wait_until

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
"""The authorities that this machine trusts: pip inside of another one is to trust the same."""
_IN_IT = "/run/certificates.crt"


def bare_debian() -> Path:
    """The archive of a bare Debian. A test is skipped without it, or without root."""
    archive = Path(os.environ.get("MIRRORWISE_DEBIAN", ""))
    if not archive.is_file():
        pytest.skip("a bare Debian is not there (set MIRRORWISE_DEBIAN to its archive)")
    if os.geteuid() != 0:
        pytest.skip("only root can start machines and containers")
    return archive


def run(*command: str | Path, timeout_s: float = 600, **more: object) -> str:
    """Runs a command to its end. It fails with all that the command printed. Returns that."""
    done = subprocess.run(  # type: ignore[call-overload]
        command,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout_s,
        check=False,
        **more,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}"
    return str(done.stdout)


def pip_settings(folder: Path) -> dict[Path, str]:
    """Files of this machine, by where pip in another one looks for them."""
    settings = folder / "pip.conf"
    settings.write_text(f"[global]\ncert = {_IN_IT}\n")
    return {settings: "/etc/pip.conf", CERTIFICATES: _IN_IT}


# --- machines that boot ------------------------------------------------------------------------------


@dataclass
class Machine:
    """A Debian machine below `root`. Its network, if it has booted, is the namespace of its name."""

    root: Path
    name: str
    #: The process that holds the machine, once it has been started.
    _process: subprocess.Popen[bytes] | None = None
    #: The machine's init, once it runs; otherwise 0.
    _pid: int = 0

    @staticmethod
    def installed(root: Path, archive: Path) -> Machine:
        """Makes a machine from the archive."""
        root.mkdir()
        run("tar", "-x", "-f", archive, "-C", root)
        return Machine(root, "")

    def copy(self, root: Path, name: str) -> Machine:
        """Makes another machine with the same files."""
        run("cp", "--archive", self.root, root)
        (root / "etc" / "hostname").write_text(f"{name}\n")
        return Machine(root, name)

    def install(self, script: str, folder: Path) -> None:
        """Runs a script as root, in /root, before the machine boots, in the network of this machine."""
        binds = [f"--bind-ro={here}:{there}" for here, there in pip_settings(folder).items()]
        nspawn = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", f"--directory={self.root}"]
        run(*nspawn, *binds, "--chdir=/root", "--pipe", "bash", "-euo", "pipefail", "-c", script)

    def boot(self, log: Path) -> None:
        """Starts systemd, and waits until it has started everything."""
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    *("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot"),
                    *(f"--directory={self.root}", f"--network-namespace-path=/run/netns/{self.name}"),
                    "--console=pipe",
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        wait_until(self._has_started, f"{self.name} has booted", 120)

    def _has_started(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "systemd-nspawn has ended"
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        if not children:
            return False
        self._pid = int(children[0])
        return self._inside("systemctl", "is-system-running").stdout.strip() in {"running", "degraded"}

    def _inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["nsenter", f"--target={self._pid}", "--all", *command],
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"},
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )

    def run(self, script: str) -> str:
        """Runs a script as root, in /root of the booted machine. Returns what it printed."""
        done = self._inside("bash", "-euo", "pipefail", "-c", f"cd /root\n{script}")
        assert done.returncode == 0, f"{self.name}: {script}\n{done.stdout}"
        return done.stdout

    def says(self, script: str) -> str:
        """What a script prints that may fail."""
        return self._inside("bash", "-c", script).stdout

    def kill(self) -> None:
        """Takes the machine away, as if its power had failed."""
        if self._process is None:
            return
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        self._process, self._pid = None, 0


def joined(names: Sequence[str], addresses: Sequence[str]) -> Iterator[None]:
    """Two network namespaces with a cable between them, as long as the iterator is not at its end."""
    need_program("ip")
    ends = [f"mw{os.getpid() % 100000}{letter}" for letter in "ab"]
    for name in names:
        run("ip", "netns", "add", name)
    try:
        run("ip", "link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for name, end, address in zip(names, ends, addresses, strict=True):
            run("ip", "link", "set", end, "netns", name)
            inside = ("ip", "-n", name)
            run(*inside, "address", "add", f"{address}/24", "dev", end)
            run(*inside, "link", "set", end, "up")
            run(*inside, "link", "set", "lo", "up")
        yield
    finally:
        for name in names:
            run("ip", "netns", "delete", name)


def shell_blocks(text: str) -> list[str]:
    """The fenced blocks of shell commands in a document."""
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


# --- containers --------------------------------------------------------------------------------------


class Containers:
    """Podman with a storage of its own in `folder`, and what a compose file says, run by it."""

    def __init__(self, folder: Path, compose: Path, **variables: str) -> None:
        need_program("podman")
        need_program("podman-compose")
        need_program("runc")
        self.folder = folder
        self.compose_file = compose
        self.project = f"mw{os.getpid()}"
        engine, storage = folder / "containers.conf", folder / "storage.conf"
        # What works on a machine without systemd, and with the limits that it has.
        engine.write_text(
            '[containers]\ndefault_ulimits = ["nofile=16384:16384", "nproc=16384:16384"]\n'
            '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\nruntime = "runc"\n'
        )
        storage.write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/storage"\nrunroot = "{folder}/run"\n'
        )
        self.environ = {
            **os.environ,
            **variables,
            "CONTAINERS_CONF": str(engine),
            "CONTAINERS_STORAGE_CONF": str(storage),
        }

    def podman(self, *arguments: str | Path) -> str:
        return run("podman", *arguments, env=self.environ)

    def compose(self, *arguments: str) -> str:
        return run(
            "podman-compose", "-p", self.project, *arguments, env=self.environ, cwd=self.compose_file.parent
        )

    def build(self, context: Path, file: Path, name: str) -> None:
        """Builds an image. pip in it may use what this machine trusts."""
        binds = [f"--volume={here}:{there}:ro" for here, there in pip_settings(self.folder).items()]
        self.podman("build", "--quiet", "--network=host", *binds, f"--file={file}", f"--tag={name}", context)

    def name(self, part: str) -> str:
        """The name of the container of a part."""
        return f"{self.project}_{part}_1"

    def is_well(self, part: str) -> bool:
        """Asks the health check of a part."""
        done = subprocess.run(
            ["podman", "healthcheck", "run", self.name(part)],
            env=self.environ,
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def inside(self, part: str, script: str) -> str:
        """What a script prints in the container of a part."""
        return self.podman("exec", self.name(part), "sh", "-c", script)

    def remove(self) -> None:
        """Ends the parts and takes away all that they have left."""
        self.compose("down", "--volumes")
        self.podman("rm", "--all", "--force", "--time=5")
        self.podman("network", "rm", "--force", *(f"{self.project}_{name}" for name in ("inside", "outside")))
