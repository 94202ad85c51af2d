"""Disks of one's own: a small ext4 in a file, whose power can be cut."""
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent


def call(*command):
    subprocess.run([str(word) for word in command], check=True, capture_output=True, timeout=60)


def compiled(folder, source, *options):
    target = pathlib.Path(folder) / pathlib.Path(source).stem
    call("cc", "-O1", "-o", target, HERE / source, *options)
    return target


class Disk:
    def __init__(self, folder, size="2G"):
        self.folder = pathlib.Path(folder)
        self.image = self.folder / "disk.img"
        self.mount_point = self.folder / "disk"
        self.mount_point.mkdir(parents=True)
        call("truncate", "-s", size, self.image)
        call("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.image)
        self.cutter = compiled(folder, "powercut.c")
        self.is_mounted = False

    def mount(self):
        call("mount", "-o", "loop", self.image, self.mount_point)
        self.is_mounted = True

    def cut_power(self):
        call(self.cutter, self.mount_point)

    def unmount(self):
        if self.is_mounted:
            call("umount", self.mount_point)
            self.is_mounted = False
