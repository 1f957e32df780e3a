# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""A bootable disk of a few packages of Debian: kernel, busybox, dropbear, syslinux. It boots under BIOS and UEFI.

It stands in for FreeBSD's image, which no test downloads: it is started from its disk like any other, reads the same
seed, and obeys the power button. It proves the machine around the guest, and nothing about FreeBSD.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "vm"
HERE = Path(__file__).resolve().parent
KERNEL_PACKAGE = "linux-image-cloud-amd64"
MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "isofs", "evdev", "button")
SYSLINUX = Path("/usr/lib/syslinux/modules")
EFI = Path("/usr/lib/SYSLINUX.EFI/efi64/syslinux.efi")
# What a test needs: file or command, and Debian's package of it.
NEEDED = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-system-aarch64": "qemu-system-arm",
    "qemu-img": "qemu-utils",
    "/usr/share/OVMF/OVMF_CODE_4M.fd": "ovmf",
    "/usr/lib/ipxe/qemu": "ipxe-qemu",
    "/bin/busybox": "busybox-static",
    "dropbear": "dropbear-bin",
    "syslinux": "syslinux",
    "/usr/lib/syslinux/modules/bios/ldlinux.c32": "syslinux-common",
    "/usr/lib/SYSLINUX.EFI/efi64/syslinux.efi": "syslinux-efi",
    "mcopy": "mtools",
    "ssh": "openssh-client",
    "zstd": "zstd",
    "xz": "xz-utils",
}
COMMAND_LINE = "console=ttyS0 quiet nokaslr mitigations=off cryptomgr.notests=1 ipv6.disable=1 no_timer_check"


def missing_packages() -> list[str]:
    """Debian packages of what is not there."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    absent = {
        package
        for name, package in NEEDED.items()
        if not (Path(name).exists() if name.startswith("/") else shutil.which(name, path=path))
    }
    return sorted(absent)


def run(*argv: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run([str(word) for word in argv], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, argv))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


@functools.cache
def kernel_tree() -> Path:
    """The newest kernel package, unpacked; it is not installed, which would change the host's own boot."""
    depends = run("apt-cache", "depends", "--no-recommends", "--no-suggests", KERNEL_PACKAGE)
    found = re.search(r"Depends: (linux-image-\S+)", depends)
    if found is None:
        raise RuntimeError(f"apt knows no {KERNEL_PACKAGE}; run apt-get update, on Debian")
    tree = CACHE / found[1]
    if not tree.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        run("apt-get", "download", "-q", found[1], cwd=CACHE)
        package = next(CACHE.glob(f"{found[1]}_*.deb"))
        scratch = CACHE / f"{found[1]}.new"
        shutil.rmtree(scratch, ignore_errors=True)
        run("dpkg-deb", "-x", package, scratch)
        scratch.rename(tree)
        package.unlink()
    return tree


def module_order(tree: Path) -> list[Path]:
    """Modules in an order that satisfies their dependencies, which stand in each file."""
    files = {path.name.removesuffix(".ko").replace("-", "_"): path for path in tree.rglob("*.ko")}
    order: list[str] = []

    def add(name: str) -> None:
        text = files[name].read_bytes()
        found = re.search(rb"\0depends=([^\0]*)\0", text)
        for needed in found[1].decode().split(",") if found else []:
            if needed:
                add(needed.replace("-", "_"))
        if name not in order:
            order.append(name)

    for name in MODULES:
        if name in files:  # else it is built in
            add(name)
    return [files[name] for name in order]


def libraries(binary: Path) -> list[Path]:
    """Shared libraries of a binary and its loader."""
    return [Path(path) for path in re.findall(r"(/\S+) \(0x", run("ldd", binary))]


@dataclass
class Cpio:
    """An archive as the kernel unpacks it (Documentation/driver-api/early-userspace/buffer-format.rst)."""

    parts: list[bytes] = field(default_factory=list)
    made: set[str] = field(default_factory=set)

    def _entry(self, name: str, mode: int, data: bytes) -> None:
        number = len(self.parts) + 1
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % value for value in fields) + name.encode() + b"\0"
        self.parts.append(head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4))

    def directory(self, name: str) -> None:
        if name and name not in self.made:
            self.directory(name.rpartition("/")[0])
            self.made.add(name)
            self._entry(name, 0o40755, b"")

    def add(self, name: str, data: bytes, mode: int = 0o644) -> None:
        self.directory(name.rpartition("/")[0])
        self._entry(name, 0o100000 | mode, data)

    def finished(self) -> bytes:
        return b"".join(self.parts) + Cpio._trailer()

    @staticmethod
    def _trailer() -> bytes:
        last = Cpio()
        last._entry("TRAILER!!!", 0, b"")
        return b"".join(last.parts)


def initramfs(tree: Path) -> bytes:
    archive = Cpio()
    for name in ("proc", "sys", "dev", "tmp", "root", "etc"):
        archive.directory(name)
    archive.add("init", (HERE / "init.sh").read_bytes(), 0o755)
    archive.add("bin/busybox", Path("/bin/busybox").read_bytes(), 0o755)
    archive.add("etc/passwd", b"root:*:0:0:root:/root:/bin/sh\n")
    archive.add("etc/shells", b"/bin/sh\n")
    order = module_order(tree)
    for path in order:
        archive.add(f"modules/{path.name}", path.read_bytes())
    archive.add("modules/order", "".join(f"{path.stem}\n" for path in order).encode())
    for name in ("dropbear", "dropbearconvert"):
        binary = Path(shutil.which(name, path="/usr/sbin:/usr/bin") or name)
        archive.add(f"bin/{name}", binary.read_bytes(), 0o755)
        for library in libraries(binary):
            if str(library).lstrip("/") not in archive.made:
                archive.made.add(str(library).lstrip("/"))
                archive.add(str(library).lstrip("/"), library.resolve().read_bytes(), 0o755)
    return archive.finished()


def make_image(path: Path, authorized: str = "", hostkey: str = "") -> Path:
    """The disk: FAT without partitions, which SeaBIOS and OVMF both start from.

    :param authorized: a key that the guest accepts without asking for a seed; ``hostkey`` is its host key then.
    """
    tree = kernel_tree()
    scratch = path.parent / f"{path.name}.parts"
    scratch.mkdir()
    ramdisks = [scratch / "system.img"]
    ramdisks[0].write_bytes(initramfs(tree))
    if authorized:
        own = Cpio()
        own.add("own/authorized_keys", authorized.encode())
        own.add("own/hostkey", hostkey.encode(), 0o600)
        ramdisks.append(scratch / "own.img")
        ramdisks[1].write_bytes(own.finished())
    names = ",".join(f"/{disk.name}" for disk in ramdisks)
    config = scratch / "syslinux.cfg"
    config.write_text(f"DEFAULT test\nLABEL test\nLINUX /vmlinuz\nINITRD {names}\nAPPEND {COMMAND_LINE}\n")
    kernel = next((tree / "boot").glob("vmlinuz-*"))
    with path.open("wb") as disk:
        disk.truncate(64 << 20)
    run("mformat", "-i", path, "-F", "-v", "GUEST", "-t", "64", "-h", "64", "-s", "32", "::")
    run("mmd", "-i", path, "::/EFI", "::/EFI/BOOT")
    run("mcopy", "-i", path, config, *ramdisks, "::/")
    run("mcopy", "-i", path, kernel, "::/vmlinuz")
    run("mcopy", "-i", path, EFI, "::/EFI/BOOT/BOOTX64.EFI")
    run("mcopy", "-i", path, SYSLINUX / "efi64" / "ldlinux.e64", "::/EFI/BOOT/ldlinux.e64")
    run("mcopy", "-i", path, config, "::/EFI/BOOT/syslinux.cfg")
    run("syslinux", "--install", path)
    shutil.rmtree(scratch)
    return path
