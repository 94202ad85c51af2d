"""Postfix as the neighbour in front: it relays by LMTP, and tries again what was not acknowledged."""
import collections
import imaplib
import re
import smtplib

import pytest

import mails
from aviso import PASSWORD
from postfix import Postfix

ANN = "ann@example.org"
BOB = "bob@example.org"


@pytest.fixture
def postfix(server):
    one = Postfix(server.lmtp_port).start()
    yield one
    one.stop()


def submit(postfix, names, recipients):
    with smtplib.SMTP("127.0.0.1", postfix.port) as client:
        for name in names:
            assert client.sendmail("carol@example.com", recipients, mails.simple(name)) == {}


def subjects(server, user):
    client = imaplib.IMAP4("127.0.0.1", server.imap_port)
    client.login(user, PASSWORD)
    assert client.select("INBOX")[0] == "OK"
    status, data = client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    assert status == "OK"
    client.logout()
    return collections.Counter(re.search(rb"Subject: (\S+)", item[1]).group(1).decode()
                               for item in data if isinstance(item, tuple))


def test_postfix_relays_every_message_once(server, postfix):
    names = [f"relayed-{number}" for number in range(200)]
    submit(postfix, names, [ANN, BOB])
    postfix.wait_empty()
    for user in (ANN, BOB):
        assert subjects(server, user) == collections.Counter(names)
    assert len(postfix.sent()) == 2 * len(names)


def test_each_recipient_has_an_answer_of_its_own(server, postfix):
    server.admin("POST", "/accounts", {"address": "full@example.org", "password": PASSWORD, "quota_octets": 1})
    submit(postfix, ["shared"], [ANN, "full@example.org", "nobody@example.org"])
    postfix.wait_empty()
    assert subjects(server, ANN) == {"shared": 1}
    assert subjects(server, "full@example.org") == {}
    log = postfix.log_text()
    assert re.search(r"to=<full@example\.org>.*status=bounced.*552", log), postfix.tail()
    assert re.search(r"to=<nobody@example\.org>.*status=bounced.*550", log), postfix.tail()


def test_killing_the_server_loses_nothing_that_postfix_has_queued(server, postfix):
    """What Postfix was told is stored is there once. A connection that broke before its answer makes
    Postfix try again, and may so bring a second copy: no more than there were such connections."""
    total = 0
    for kill in range(5):
        names = [f"round-{kill}-{number}" for number in range(60)]
        submit(postfix, names, [ANN])
        total += len(names)
        server.kill()
        server.start()
    postfix.wait_empty()
    counted = subjects(server, ANN)
    assert len(counted) == total
    extra = sum(counted.values()) - total
    broken = len(re.findall(r"lost connection with .* while (?:sending end of data|receiving)", postfix.log_text()))
    assert extra <= broken, (extra, broken, postfix.tail())
    assert len(postfix.sent()) == total
