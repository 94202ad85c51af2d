"""What tests with hostile clients share: raw connections, a healthy client that must not notice, and the
server's memory."""
import contextlib
import imaplib
import os
import pathlib
import re
import socket
import smtplib
import ssl
import threading

import mails
from aviso import PASSWORD

ANN = "ann@example.org"
BOB = "bob@example.org"
FULL = bool(os.environ.get("AVISO_FULL"))  # the counts of the table of bad inputs, which take minutes


def scaled(count):
    """A count of the table, or a tenth of it, enough to show what grows."""
    return count if FULL else max(count // 10, 1)


class Raw:
    """A connection that says exactly what it is told to."""

    def __init__(self, server, service, timeout=60, rcvbuf=None):
        self.socket = socket.socket()
        if rcvbuf is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.socket.settimeout(timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect(("127.0.0.1", server.ports[service]))
        self.heard = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def say(self, octets):
        self.socket.sendall(octets)

    def more(self):
        octets = self.socket.recv(65536)
        self.heard += octets
        return bool(octets)

    def line(self):
        while b"\r\n" not in self.heard:
            assert self.more(), f"closed after {self.heard[:300]!r}"
        line, self.heard = self.heard.split(b"\r\n", 1)
        return line

    def reply(self):
        """An SMTP reply, its last line."""
        line = self.line()
        while line[3:4] == b"-":
            line = self.line()
        return line

    def ask(self, octets):
        self.say(octets)
        return self.reply()

    def tagged(self, tag):
        """The IMAP answer with this tag; BYE or an end counts as one."""
        while True:
            try:
                line = self.line()
            except (AssertionError, OSError):
                return b"closed"
            if line.startswith(tag + b" ") or line.startswith(b"* BYE"):
                return line

    def rest(self):
        """All until the server closes."""
        with contextlib.suppress(OSError):
            while self.more():
                pass
        heard, self.heard = self.heard, b""
        return heard

    def start_tls(self):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket)


def smtp(server, service="smtp", **options):
    raw = Raw(server, service, **options)
    raw.reply()
    assert raw.ask(b"LHLO x\r\n" if service == "lmtp" else b"EHLO client.example.com\r\n").startswith(b"250")
    return raw


def imap(server, user=ANN, **options):
    raw = Raw(server, "imap", **options)
    raw.line()
    raw.say(f"l LOGIN {user} {PASSWORD}\r\n".encode())
    assert raw.tagged(b"l").startswith(b"l OK")
    return raw


def deliver(server, text, to=ANN):
    with smtplib.LMTP("127.0.0.1", server.lmtp_port, timeout=120) as client:
        return client.sendmail("carol@example.com", [to], text)


def subjects(server, user=ANN):
    client = imaplib.IMAP4("127.0.0.1", server.imap_port)
    client.login(user, PASSWORD)
    assert client.select("INBOX", readonly=True)[0] == "OK"
    status, data = client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    assert status == "OK"
    client.logout()
    found = (re.search(rb"Subject: (\S+)", item[1]) for item in data if isinstance(item, tuple))
    return [match[1].decode() if match else "" for match in found]


class Healthy(threading.Thread):
    """Bob, who gets and reads mail all the while and must not notice anything."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.is_over, self.fault, self.count = server, threading.Event(), None, 0

    def run(self):
        try:
            client = imaplib.IMAP4("127.0.0.1", self.server.imap_port, timeout=30)
            client.login(BOB, PASSWORD)
            client.select("INBOX")
            while True:
                assert deliver(self.server, mails.simple(f"healthy-{self.count}"), BOB) == {}
                assert client.noop()[0] == "OK"
                status, data = client.uid("FETCH", "*", "(UID FLAGS ENVELOPE)")
                assert status == "OK" and data[0] is not None
                self.count += 1
                if self.is_over.wait(0.05):
                    break
            client.logout()
        except BaseException as fault:  # pylint: disable=broad-except
            self.fault = fault


def resident_kib(server):
    text = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1])


@contextlib.contextmanager
def unnoticed(server, growth_mib=200):
    """Whatever happens inside: the process lives, its memory stays, and Bob has his mail."""
    before = resident_kib(server)
    healthy = Healthy(server)
    healthy.start()
    yield
    healthy.is_over.set()
    healthy.join(timeout=60)
    assert server.process.poll() is None, server.tail()
    assert healthy.fault is None, healthy.fault
    assert healthy.count > 0
    if "AddressSanitizer" not in os.environ.get("AVISO_BUILD", "") and "debug" not in os.environ.get("AVISO_BIN", ""):
        assert resident_kib(server) - before < growth_mib << 10, (before, resident_kib(server))
    assert len(set(subjects(server, BOB))) == healthy.count == len(subjects(server, BOB))
