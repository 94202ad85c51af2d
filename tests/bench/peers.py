"""The servers that are compared, each with its own folder and ports: Aviso, and Debian's Dovecot with
Postfix in front, durable as they can be (mdbox, mail_fsync=always)."""
import os
import pathlib
import pwd
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from aviso import PASSWORD, Server, free_ports  # noqa: E402
from postfix import Postfix  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


def stat_of(pid):
    """The fields of /proc/PID/stat after the name; None: it has ended."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def tree(root):
    """The process and all below it."""
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        fields = stat_of(entry.name) if entry.name.isdigit() else None
        if fields is not None:
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def cpu_seconds(roots):
    """User and system time of the processes and of those they have reaped."""
    ticks = 0
    for root in roots:
        for pid in tree(root):
            fields = stat_of(pid)
            if fields is not None:
                ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICK


def pss_kib(roots):
    """Proportional set size: shared pages count once, divided among those that share them."""
    total = 0
    for root in roots:
        for pid in tree(root):
            try:
                text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            total += int(next(line for line in text.splitlines() if line.startswith("Pss:")).split()[1])
    return total


class Aviso:
    name = "Aviso"

    def __init__(self, folder, accounts):
        limits = {"limits.connections_per_address": "50000", "threads.frontend": "0"}
        self.server = Server(folder, (), **limits).start()
        self.server.admin("POST", "/domains", {"domain": "example.org"})
        # An imported hash: making a hundred of our own would take a while.
        credential = subprocess.run(["openssl", "passwd", "-5", PASSWORD], check=True, capture_output=True,
                                    text=True).stdout.strip()
        for number in range(accounts):
            self.server.admin("POST", "/accounts",
                              {"address": f"u{number}@example.org", "credential": credential})
        self.ports = self.server.ports

    def roots(self):
        return [self.server.process.pid]

    def settle(self):
        """Everything that was taken is delivered already."""

    def stop(self):
        self.server.stop()


DOVECOT = """\
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
protocols = imap lmtp pop3
ssl = yes
ssl_cert = <{folder}/certificate.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
mail_location = mdbox:~/mdbox
mail_fsync = always
first_valid_uid = 1
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
postmaster_address = postmaster@example.org
hostname = localhost
mail_max_userip_connections = 10000
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
  process_limit = 200
  process_min_avail = 4
}}
service imap-login {{
  inet_listener imap {{
    address = 127.0.0.1
    port = {imap}
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {imaps}
    ssl = yes
  }}
  service_count = 0
  process_min_avail = 2
  client_limit = 4000
}}
service imap {{
  process_limit = 2000
}}
service pop3-login {{
  inet_listener pop3 {{
    address = 127.0.0.1
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
  service_count = 0
  process_min_avail = 2
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
service anvil {{
  client_limit = 4000
}}
service auth {{
  client_limit = 8000
}}
service config {{
  client_limit = 4000
}}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
"""


class Dovecot:
    name = "Postfix + Dovecot"

    def __init__(self, folder, accounts, certificate_of):
        self.folder = pathlib.Path(folder)
        self.ports = dict(zip(("lmtp", "imap", "imaps", "pop3"), free_ports(4)))
        nobody = pwd.getpwnam("nobody")
        (self.folder / "mail").mkdir(parents=True)
        (self.folder / "run").mkdir()
        os.chown(self.folder / "mail", nobody.pw_uid, nobody.pw_gid)
        for path in (self.folder, *self.folder.parents):
            if path.stat().st_uid == os.geteuid() and path != pathlib.Path("/"):
                path.chmod(path.stat().st_mode | 0o055)
        for name in ("certificate.pem", "key.pem"):
            (self.folder / name).write_bytes((pathlib.Path(certificate_of) / name).read_bytes())
        (self.folder / "users").write_text("".join(
            f"u{number}@example.org:{{PLAIN}}{PASSWORD}:{nobody.pw_uid}:{nobody.pw_gid}::"
            f"{self.folder}/mail/u{number}::\n" for number in range(accounts)))
        (self.folder / "conf").write_text(DOVECOT.format(folder=self.folder, **self.ports))
        self.process = subprocess.Popen(["/usr/sbin/dovecot", "-F", "-c", self.folder / "conf"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True)
        self.wait_for(self.ports["imap"])
        self.postfix = Postfix(self.ports["lmtp"], lmtp_destination_concurrency_limit=20,
                               lmtp_destination_recipient_limit=1).start()
        self.ports["smtp"] = self.postfix.port

    def wait_for(self, port):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=5):
                    return
            except OSError:
                time.sleep(0.1)
        raise SystemExit((self.folder / "log").read_text())

    def roots(self):
        return [self.process.pid, self.postfix.process.pid]

    def settle(self):
        """Postfix acknowledges what it has queued: the work is done when the queue is empty."""
        self.postfix.wait_empty(600)

    def stop(self):
        self.postfix.stop()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)
