"""The transcripts, played against the running server. Those are left out that give directions which nobody can
give a server from outside: failures of its storage, other clocks."""
import imaplib
import smtplib
import sys

import pytest

from aviso import PASSWORD, ROOT, Server

FOLDER = ROOT / "tests/transcripts"
sys.path.insert(0, str(FOLDER))
import play  # noqa: E402  pylint: disable=wrong-import-position

ANN = "ann@example.org"
# The limits that the transcripts were written for.
SETTINGS = {"host_name": "mx.example.org", "smtp.message_size_max": "100000B", "smtp.recipients_max": "100",
            "smtp.hops_max": "20", "limits.errors": "20"}
SETTINGS_OF_IMAP = {"smtp.message_size_max": "4MiB"}
TLS_SERVICES = {"imap": "imaps", "pop3": "pop3s", "submission": "submissions"}
STAGE_ONLY = {"fail", "login", "batch", "expire", "timeout", "stop", "remote", "clear-login"}


# They were written for fewer recipients than a server can be set to, and for a group too large to make.
STAGE_FILES = {"smtp/many.txt", "lmtp/many.txt", "smtp/groups.txt", "lmtp/groups.txt"}


def directions(path):
    return {line.split()[1] for line in path.read_text().splitlines() if line.lstrip().startswith("! ")}


FILES = [path for path in sorted(FOLDER.glob("*/*.txt")) if path.name != "with_ann.txt"]


def name_of(path):
    return f"{path.parent.name}/{path.name}"


PLAYABLE = [path for path in FILES if not directions(path) & STAGE_ONLY and name_of(path) not in STAGE_FILES]


class Stage(play.Player):
    """What a stage does, done from outside."""

    def __init__(self, server, service):
        super().__init__(("127.0.0.1", server.ports[service]))
        self.server = server

    def inbox(self):
        client = imaplib.IMAP4("127.0.0.1", self.server.imap_port)
        client.login(ANN, PASSWORD)
        return client

    def direct(self, path, text):
        verb, *words = text.split()
        if verb == "put" and path.parent.name == "imap":
            self.append(int(words[0]), int(words[1]))
        elif verb == "put":
            self.deliver(int(words[0]))
        elif verb == "tls":
            self.address = ("127.0.0.1", self.server.ports[TLS_SERVICES[path.parent.name]])
            super().direct(path, text)
        elif verb == "quota":
            self.server.admin("PATCH", f"/accounts/{ANN}", {"quota_octets": 0, "quota_messages": int(words[0])})
        elif verb == "count":
            self.count(int(words[0]))
        else:
            super().direct(path, text)

    def append(self, count, flags):
        names = ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")
        chosen = " ".join(name for bit, name in enumerate(names) if flags & 1 << bit)
        client = self.inbox()
        for number in range(1, count + 1):
            text = f"From: put@example.org\r\nSubject: number {number}\r\n\r\nbody {number}\r\n"
            assert client.append("INBOX", f"({chosen})", None, text.encode())[0] == "OK"
        client.logout()

    def deliver(self, count):
        client = self.inbox()
        for number in range(1, count + 1):
            text = f"Subject: {number}\r\n\r\n.one\r\n..two\r\n.\r\nthree\r\n"
            assert client.append("INBOX", "", None, text.encode())[0] == "OK"
        client.logout()

    def count(self, expected):
        client = self.inbox()
        total = 0
        for line in client.list()[1]:
            box = line.decode().rsplit(" ", 1)[1]
            total += int(client.status(box, "(MESSAGES)")[1][0].decode().rsplit(" ", 1)[1].rstrip(")"))
        client.logout()
        if total != expected:
            raise play.Deviation(f"ann has {total} messages, expected {expected}")


@pytest.fixture
def server(tmp_path, request):
    service = request.node.callspec.params["path"].parent.name
    settings = {**SETTINGS, **(SETTINGS_OF_IMAP if service == "imap" else {})}
    one = Server(tmp_path, (ANN, "bob@example.org", "full@example.org", "suspended@example.org"), **settings)
    one.start().fill()
    with smtplib.LMTP("127.0.0.1", one.lmtp_port) as client:
        client.sendmail("carol@example.com", ["full@example.org"], b"Subject: one\r\n\r\nThe last that fits.\r\n")
    one.admin("PATCH", "/accounts/full@example.org", {"quota_octets": 1, "quota_messages": 0})
    one.admin("PATCH", "/accounts/suspended@example.org", {"suspended": True})
    for name, targets in (("staff", [ANN, "bob@example.org"]), ("half", ["bob@example.org", "full@example.org"])):
        one.admin("PUT", f"/names/{name}@example.org", {"kind": "group", "targets": targets})
    yield one
    one.stop()


@pytest.mark.parametrize("path", PLAYABLE, ids=name_of)
def test_a_dialogue_goes_as_written(server, path):
    stage = Stage(server, path.parent.name)
    try:
        stage.play(path)
    finally:
        stage.end()


def test_few_transcripts_need_a_stage():
    assert len(PLAYABLE) * 2 > len(FILES), [name_of(path) for path in FILES if path not in PLAYABLE]
