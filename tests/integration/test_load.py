"""The load generator against the running server, a second of each kind: nothing is refused."""
import re
import subprocess

import pytest

from aviso import BIN, PASSWORD, Server

LOAD = BIN / "tests/bench/load"
ACCOUNTS = [f"u{number}@example.org" for number in range(4)]


@pytest.fixture
def server(tmp_path):
    one = Server(tmp_path, ACCOUNTS).start().fill()
    yield one
    one.stop()


def load(server, kind, service, *words):
    command = [LOAD, kind, str(server.ports[service]), "--connections", "4", "--accounts", str(len(ACCOUNTS)),
               "--password", PASSWORD, "--seconds", "1", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_kind_of_load_is_answered(server):
    for kind, service, *words in (("lmtp", "lmtp", "--count", "100"), ("smtp", "smtp"), ("imap-read", "imap"),
                                  ("imap-read", "imaps", "--tls", "yes"), ("imap-write", "imap"), ("pop3", "pop3"),
                                  ("pop3", "pop3s", "--tls", "yes")):
        text = load(server, kind, service, *words)
        assert int(re.search(r"(\d+) done", text)[1]) > 0, (kind, text)
        assert " 0 refused" in text, (kind, text)
    assert load(server, "idle", "imap", "--connections", "50") == "ready 50\n"
    assert load(server, "idle", "imaps", "--connections", "50", "--tls", "yes") == "ready 50\n"
