"""The disk of an empty Debian, with systemd, a kernel, and an SSH server to reach it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

RELEASE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
PACKAGES = (
    "systemd-sysv,udev,dbus,linux-image-cloud-amd64,openssh-server,ca-certificates,iproute2,"
    "procps,curl,openssl"
)
RESOLVER = "10.0.2.3"
"""QEMU's own."""
DISK_BYTES = 6 * 1024**3
NETWORK = "[Match]\nName=eth0\n[Network]\nDHCP=ipv4\n"
SOURCES = f"""\
deb {MIRROR} {RELEASE} main
deb {MIRROR} {RELEASE}-updates main
deb {MIRROR}-security {RELEASE}-security main
"""
AUTHORITIES = Path("usr/local/share/ca-certificates")


@dataclass(frozen=True, slots=True)
class Image:
    """What a machine starts from; `key` opens its SSH server."""

    folder: Path

    @property
    def disk(self) -> Path:
        """A file system."""
        return self.folder / "disk.img"

    @property
    def kernel(self) -> Path:
        """Linux."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """What Linux needs before it finds the disk."""
        return self.folder / "initrd.img"

    @property
    def key(self) -> Path:
        """Root's private key."""
        return self.folder / "key"


def make_image(folder: Path) -> Image:
    """Make the image in a folder, in some minutes and as root. One that is whole is kept."""
    image = Image(folder)
    if image.disk.exists():
        return image
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tree, unfinished = folder / "tree", folder / "unfinished.img"
    run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", RELEASE, tree, MIRROR)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", image.key)
    _configure(tree, image.key.with_suffix(".pub").read_text())
    shutil.copy(tree / "vmlinuz", image.kernel)
    shutil.copy(tree / "initrd.img", image.initrd)
    with unfinished.open("wb") as file:
        file.truncate(DISK_BYTES)
    run("mkfs.ext4", "-q", "-d", tree, unfinished)
    shutil.rmtree(tree)
    unfinished.rename(image.disk)
    return image


def _configure(tree: Path, public_key: str) -> None:
    files = {
        "etc/fstab": "/dev/vda / ext4 defaults 0 1\n",
        "etc/hosts": "127.0.0.1 localhost\n",
        "etc/resolv.conf": f"nameserver {RESOLVER}\n",
        "etc/apt/sources.list": SOURCES,
        "etc/systemd/network/eth0.network": NETWORK,
        "root/.ssh/authorized_keys": public_key,
    }
    for name, text in files.items():
        file = tree / name
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_text(text)
    # Where this machine reaches the package registries through a proxy of its own.
    shutil.copytree(Path("/") / AUTHORITIES, tree / AUTHORITIES, dirs_exist_ok=True)
    run("chroot", tree, "update-ca-certificates")
    run("chroot", tree, "systemctl", "enable", "systemd-networkd")


def run(*words: str | Path) -> None:
    """Run a command; raise `RuntimeError` with what it printed if it fails."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}:\n{done.stdout}")
