"""A server of one's own: a temporary folder, free ports, accounts; started, killed and stopped."""
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("AVISO_BIN", ROOT / "build/release"))
PASSWORD = "secret"
SERVICES = {
    "smtp": "smtp.listen", "submission": "submission.listen", "submissions": "submission.listen_tls",
    "lmtp": "lmtp.listen", "imap": "imap.listen", "imaps": "imap.listen_tls", "pop3": "pop3.listen",
    "pop3s": "pop3.listen_tls", "http": "http.listen",
}


def free_ports(count):
    """Ports that nobody has now; they are held together so that they differ."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Server:
    def __init__(self, folder, accounts=("ann@example.org", "bob@example.org"), data=None, **settings):
        self.folder = pathlib.Path(folder)
        self.data = pathlib.Path(data) if data is not None else self.folder / "data"
        self.ports = dict(zip(SERVICES, free_ports(len(SERVICES))))
        self.settings = {"host_name": "localhost", "login.in_clear": "yes", "threads.frontend": "2",
                         "limits.stop_time": "2s", **settings}
        self.accounts = accounts
        self.process = None
        self.environment = {}
        self.folder.mkdir(parents=True, exist_ok=True)
        self.certificate = self.folder / "certificate.pem"
        if not self.certificate.exists():
            subprocess.run([BIN / "aviso", "self-signed", self.certificate, self.folder / "key.pem", "localhost",
                            "127.0.0.1"], check=True)
        self.log = self.folder / "log"

    def __getattr__(self, name):
        if name.endswith("_port"):
            return self.ports[name[:-5]]
        raise AttributeError(name)

    def _environment(self):
        values = {"data": str(self.data), "tls.certificate": str(self.certificate),
                  "tls.key": str(self.folder / "key.pem"), **self.settings}
        for service, setting in SERVICES.items():
            values[setting] = f"127.0.0.1:{self.ports[service]}"
        return {**os.environ, **self.environment,
                **{"AVISO_" + name.upper().replace(".", "_"): value for name, value in values.items()}}

    def start(self, ready=True):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([BIN / "aviso", "standalone"], env=self._environment(), stderr=log,
                                            stdout=log, stdin=subprocess.DEVNULL)
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.tail()}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/readyz", timeout=5) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"the server does not become ready:\n{self.tail()}")

    def fill(self):
        self.admin("POST", "/domains", {"domain": "example.org"})
        for address in self.accounts:
            self.admin("POST", "/accounts", {"address": address, "password": PASSWORD})
        return self

    def admin(self, method, path, body=None):
        token = (self.data / "admin_token").read_text().strip()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http_port}/admin/v1{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def ctl(self, *words, check=True, **options):
        return subprocess.run([BIN / "avisoctl", "--url", f"http://127.0.0.1:{self.http_port}", "--token-file",
                               self.data / "admin_token", *words], check=check, text=True, capture_output=True,
                              timeout=120, **options)

    def kill(self):
        """kill -9, at whatever it is doing."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """An orderly stop, which must succeed."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        assert self.process.wait(timeout=60) == 0, self.tail()
        assert "AddressSanitizer" not in self.log.read_text(errors="replace"), self.tail()

    def tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])
