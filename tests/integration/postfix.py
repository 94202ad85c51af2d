"""A Postfix of one's own, with its own configuration and queue, which relays to an LMTP server."""
import os
import pathlib
import pwd
import shutil
import signal
import smtplib
import subprocess
import tempfile
import time

from aviso import free_ports

MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = relay.example.net
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_relay_restrictions = permit_mynetworks, reject
virtual_mailbox_domains = example.org
virtual_mailbox_maps = static:anybody
virtual_transport = lmtp:inet:127.0.0.1:{lmtp_port}
lmtp_destination_concurrency_limit = 10
lmtp_destination_recipient_limit = 50
message_size_limit = 52428800
mailbox_size_limit = 0
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
transport_retry_time = 1s
"""


class Postfix:
    def __init__(self, lmtp_port, **settings):
        # Its processes run as the user postfix, who has to get at the folder.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="aviso-postfix-"))
        self.folder.chmod(0o755)
        self.port = free_ports(1)[0]
        self.process = None
        (self.folder / "etc").mkdir()
        (self.folder / "queue").mkdir()
        (self.folder / "data").mkdir()
        os.chown(self.folder / "data", pwd.getpwnam("postfix").pw_uid, -1)
        main = MAIN.format(folder=self.folder, lmtp_port=lmtp_port)
        main += "".join(f"{name} = {value}\n" for name, value in settings.items())
        (self.folder / "etc/main.cf").write_text(main)
        (self.folder / "etc/master.cf").write_text(MASTER.format(port=self.port))

    def start(self):
        # A session of its own, so that its end takes all of its processes along.
        self.process = subprocess.Popen(["postfix", "-c", self.folder / "etc", "start-fg"], start_new_session=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"postfix ended:\n{self.tail()}"
            try:
                with smtplib.SMTP("127.0.0.1", self.port, timeout=5):
                    return self
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"postfix does not answer:\n{self.tail()}")

    def stop(self):
        subprocess.run(["postfix", "-c", self.folder / "etc", "stop"], capture_output=True)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        shutil.rmtree(self.folder)

    def queue_size(self):
        return sum(len(files) for name in ("incoming", "active", "deferred", "maildrop")
                   for _, _, files in os.walk(self.folder / "queue" / name))

    def wait_empty(self, seconds=120):
        deadline = time.monotonic() + seconds
        while self.queue_size() > 0:
            assert time.monotonic() < deadline, f"{self.queue_size()} are still queued:\n{self.tail()}"
            time.sleep(0.1)

    def sent(self):
        """Lines of the log that say that a recipient's mail was taken by the LMTP server."""
        return [line for line in self.log_text().splitlines() if "status=sent" in line]

    def log_text(self):
        log = self.folder / "log"
        return log.read_text(errors="replace") if log.exists() else "(no log)"

    def tail(self):
        return "\n".join(self.log_text().splitlines()[-30:])
