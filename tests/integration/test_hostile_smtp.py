"""Hostile SMTP, submission and LMTP against the running server; rows of the table of bad inputs by number."""
import base64
import imaplib
import random
import socket
import threading
import time

import pytest

import mails
from aviso import PASSWORD, Server
from hostile import ANN, BOB, Raw, deliver, scaled, smtp, subjects, unnoticed

pytestmark = pytest.mark.timeout(300)
ENVELOPE = (b"MAIL FROM:<evil@example.com>\r\n", b"RCPT TO:<ann@example.org>\r\n")
# What a server that is not careful takes for the end of the data (S1).
ENDINGS = [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r", b"\n.\r", b"\r.\n", b"\r\n\0.\r\n",
           b"\r\n.\0\r\n", b"\r\n.\r\r\n", b"\r\n.\t\r\n", b"\x85.\x85"]


@pytest.fixture
def server(tmp_path):
    one = Server(tmp_path, **{"limits.connections_per_address": "20000", "limits.connections": "20000",
                              "router.directory_cache": "0s"}).start().fill()
    yield one
    one.stop()


def begin_data(raw):
    for command in ENVELOPE:
        assert raw.ask(command).startswith(b"250")
    assert raw.ask(b"DATA\r\n").startswith(b"354")


@pytest.mark.parametrize("service", ["smtp", "lmtp"])
def test_s1_no_ending_but_the_true_one_begins_another_message(server, service):
    with unnoticed(server):
        for number, ending in enumerate(ENDINGS):
            with smtp(server, service) as raw:
                begin_data(raw)
                raw.say(f"Subject: first-{number}\r\n\r\ntext".encode() + ending + b"".join(ENVELOPE) + b"DATA\r\n" +
                        f"Subject: smuggled-{number}\r\n\r\nbad\r\n.\r\nQUIT\r\n".encode())
                heard = raw.rest()
                assert heard.count(b"354") == 0, (ending, heard)
                assert heard.count(b"250") <= 1, (ending, heard)
    assert not [name for name in subjects(server) if name.startswith("smuggled")]


def test_s3_chunks_that_lie_keep_nothing(server):
    cases = [b"BDAT 18446744073709551615\r\n", b"BDAT 18446744073709551616 LAST\r\n", b"BDAT -1 LAST\r\n",
             b"BDAT\r\n", b"BDAT 5 FIRST\r\n", b"BDAT 0x10 LAST\r\n"]
    with unnoticed(server):
        for case in cases:
            with smtp(server) as raw:
                for command in ENVELOPE:
                    assert raw.ask(command).startswith(b"250")
                assert raw.ask(case)[:1] == b"5", case
        with smtp(server) as raw:
            assert raw.ask(b"BDAT 4 LAST\r\nabcd").startswith(b"503")
            assert raw.ask(b"NOOP\r\n").startswith(b"250")
        with smtp(server) as raw:  # cut inside a chunk
            for command in ENVELOPE:
                raw.ask(command)
            raw.say(b"BDAT 1000 LAST\r\nSubject: cut\r\n")
        with smtp(server) as raw:  # a dot alone is text
            for command in ENVELOPE:
                raw.ask(command)
            text = b"Subject: chunk\r\n\r\n.\r\nRSET\r\n.\r\n"
            assert raw.ask(b"BDAT %d LAST\r\n" % len(text) + text).startswith(b"250")
    assert subjects(server) == ["chunk"]


@pytest.mark.parametrize("service, greeting, start", [
    ("submission", b"EHLO x\r\n", b"STARTTLS\r\n"), ("imap", b"", b"t STARTTLS\r\n"), ("pop3", b"", b"STLS\r\n")])
@pytest.mark.parametrize("pieces", ["one segment", "two segments", "octets"])
def test_s5_what_follows_starttls_in_the_clear_is_never_heard(server, service, greeting, start, pieces):
    injected = b"x NOOP\r\nNOOP\r\n"
    with Raw(server, service, timeout=20) as raw:
        raw.line()
        if greeting:
            assert raw.ask(greeting).startswith(b"250")
        if pieces == "one segment":
            raw.say(start + injected)
        elif pieces == "two segments":
            raw.say(start)
            raw.line()
            raw.say(injected)
        else:
            for octet in start + injected:
                try:
                    raw.say(bytes([octet]))
                except OSError:
                    break
        heard = raw.rest()
        assert b"NOOP" not in heard and b"250" not in heard[4:] and b"x " not in heard, heard
    with Raw(server, service) as raw:  # and the honest way works
        raw.line()
        if greeting:
            raw.ask(greeting)
        raw.say(start)
        raw.line()
        raw.start_tls()
        raw.say(b"x NOOP\r\n")
        assert raw.line()


def test_s7_long_lines_are_refused_in_bounded_memory(server):
    with unnoticed(server, 50):
        for size in (513, 4096, 11000, 1 << 20):
            with smtp(server) as raw:
                assert raw.ask(b"NOOP " + b"x" * size + b"\r\n")[:1] == (b"5" if size > 12288 else b"2")
                assert raw.ask(b"NOOP\r\n").startswith(b"250")
        with Raw(server, "smtp") as raw:
            raw.reply()
            assert raw.ask(b"EHLO " + b"x" * 11000 + b"\r\n")[:1] == b"5"
        for size in (998, 1001, 1 << 20):
            with smtp(server) as raw:
                begin_data(raw)
                answer = raw.ask(b"Subject: line-%d\r\n\r\n" % size + b"y" * size + b"\r\n.\r\n")
                assert answer[:3] in (b"250", b"500", b"552", b"554"), answer


def test_s8_local_parts_are_text_or_refused(server):
    parts = [";id;", "${run{/bin/id}}", "$(id)", "`id`", '""', "|id", "../../x", "\\", "a\\", '"a\\', "x" * 65, "a..b",
             ".a", "a.", "a b", "\x7f", "\0", "\xff\xfe", "\xc3", "%s%n", "*"]
    forms = [f"<{part}@example.org>".encode("latin-1") for part in parts]
    forms += [b"<>", b"<@a,@b:c@d>", b"<x@[IPv6:::1]>", b"<x@[127.0.0.1]>", b"<ann@example.org", b"ann@example.org>",
              b"<ann@example.org>>", b"<<ann@example.org>", b"<ann@example.org> X=" + b"y" * 500, b"<ann@\xff.org>"]
    with unnoticed(server):
        for form in forms:
            with smtp(server) as raw:
                answer = raw.ask(b"MAIL FROM:" + form + b"\r\n")
                assert answer[:3] in (b"250", b"501", b"553", b"555", b"550", b"500"), (form, answer)
                raw.ask(b"RSET\r\n")
                raw.ask(ENVELOPE[0])
                answer = raw.ask(b"RCPT TO:" + form + b"\r\n")
                assert answer[:1] == b"5", (form, answer)


def test_s9_authentication_takes_no_nonsense(server):
    good = base64.b64encode(f"\0{BOB}\0{PASSWORD}".encode())
    with unnoticed(server):
        for case in (b"AUTH PLAIN =\r\n", b"AUTH PLAIN " + good[:-1] + b"\r\n", b"AUTH PLAIN " + good[:-2] + b"\r\n",
                     b"AUTH PLAIN " + good[:-3] + b"\r\n", b"AUTH PLAIN " + b"A" * 12289 + b"\r\n",
                     b"AUTH PLAIN " + base64.b64encode(b"\0\0\0") + b"\r\n",
                     b"AUTH PLAIN " + base64.b64encode(b"\0" * 5000) + b"\r\n",
                     b"AUTH PLAIN " + base64.b64encode(f"{ANN}\0{BOB}\0{PASSWORD}".encode()) + b"\r\n",
                     b"AUTH PLAIN " + base64.b64encode(b"\0%{user}\0'\" OR 1=1") + b"\r\n", b"AUTH\r\n", b"AUTH X\r\n"):
            with smtp(server, "submission") as raw:
                assert raw.ask(case)[:1] == b"5", case
                assert raw.ask(b"MAIL FROM:<bob@example.org>\r\n").startswith(b"530")
        with smtp(server, "submission") as raw:
            assert raw.ask(b"AUTH PLAIN\r\n").startswith(b"334")
            assert raw.ask(b"*\r\n").startswith(b"501")
            assert raw.ask(b"AUTH PLAIN " + good + b"\r\n").startswith(b"235")
            assert raw.ask(b"AUTH PLAIN " + good + b"\r\n").startswith(b"503")
            assert raw.ask(b"MAIL FROM:<ann@example.org>\r\n")[:1] == b"5"


def test_s13_commands_that_are_not_offered(server):
    with smtp(server) as raw:
        for command in (b"ETRN #',1);select 1\r\n", b"TURN\r\n", b"ATRN x\r\n", b"XCLIENT ADDR=1.2.3.4\r\n",
                        b"XFORWARD NAME=x\r\n", b"BURL imap://x LAST\r\n", b"GET / HTTP/1.1\r\n"):
            assert raw.ask(command)[:2] == b"50", command


def test_s14_s15_headers_in_masses_and_in_pieces(server):
    cases = {"many-to": b"To: a@example.com\r\n" * scaled(100000),
             "one-huge": b"To: " + b"a@example.com,\r\n " * scaled(500000) + b"b@example.com\r\n",
             "comments": b"To: " + b"(" * 100000 + b" a@example.com\r\n",
             "empty": b"From: ;\r\nTo: a:;\r\nCc: ,,,\r\nReply-To: \"\r\n",
             "quotes": b"To: \"" * 1000 + b"\r\n"}
    with unnoticed(server):
        for name, header in cases.items():
            with smtp(server) as raw:
                begin_data(raw)
                answer = raw.ask(f"Subject: {name}\r\n".encode() + header + b"\r\ntext\r\n.\r\n")
                assert answer[:3] in (b"250", b"552", b"554"), (name, answer)
        assert {"comments", "empty", "quotes"} <= set(subjects(server))


def test_s16_sizes_that_lie(server):
    with unnoticed(server):
        for size in (b"-1", b"18446744073709551616", b"x", b"99999999999"):
            with smtp(server) as raw:
                answer = raw.ask(b"MAIL FROM:<e@example.com> SIZE=" + size + b"\r\n")
                assert answer[:3] in (b"501", b"552"), (size, answer)
        with smtp(server) as raw:
            assert raw.ask(b"MAIL FROM:<e@example.com> SIZE=1\r\n").startswith(b"250")
            raw.ask(ENVELOPE[1])
            assert raw.ask(b"DATA\r\n").startswith(b"354")
            try:
                for _ in range(60):
                    raw.say(b"z" * 998 * 1049 + b"\r\n")
                raw.say(b".\r\n")
                assert raw.reply()[:3] in (b"552", b"554", b"500")
            except OSError:
                pass  # cut off before the end
        with smtp(server) as raw:
            raw.ask(b"MAIL FROM:<e@example.com> BODY=BINARYMIME\r\n")
            raw.ask(ENVELOPE[1])
            assert raw.ask(b"DATA\r\n").startswith(b"503")
    assert subjects(server) == []


def test_s17_a_thousand_errors_and_recipients_without_end(server):
    with unnoticed(server):
        with smtp(server) as raw:
            for _ in range(1000):
                raw.say(b"WHAT\r\n")
                if raw.reply().startswith(b"421"):
                    break
            else:
                raise AssertionError("errors without end")
        with smtp(server) as raw:
            raw.ask(ENVELOPE[0])
            codes = set()
            for start in range(0, scaled(100000), 1000):
                raw.say(b"".join(b"RCPT TO:<ann+%d@example.org>\r\n" % number for number in range(start, start + 1000)))
                codes |= {raw.reply()[:3] for _ in range(1000)}
            assert codes == {b"250", b"452"}
        with smtp(server) as raw:
            for _ in range(scaled(10000)):
                raw.say(ENVELOPE[0] + ENVELOPE[1] + b"RSET\r\n")
                assert [raw.reply()[:3] for _ in range(3)] == [b"250"] * 3


def test_s17_ten_thousand_connections_that_never_finish_a_line(server):
    count = 10000
    sockets = []
    with unnoticed(server, 400):
        try:
            for number in range(count):
                one = socket.create_connection(("127.0.0.1", server.ports[("smtp", "imap", "pop3", "lmtp")[number % 4]]))
                one.sendall(b"NOOP with no end")
                sockets.append(one)
            time.sleep(1)
            assert deliver(server, mails.simple("among-thousands")) == {}
        finally:
            for one in sockets:
                one.close()
    assert subjects(server) == ["among-thousands"]


def test_s20_mail_that_goes_in_a_circle(server):
    with smtp(server) as raw:
        begin_data(raw)
        hops = b"".join(b"Received: from a by b; Mon, 23 Nov 2026 09:00:00 +0000\r\n" for _ in range(101))
        assert raw.ask(hops + b"Subject: circle\r\n\r\nx\r\n.\r\n").startswith(b"554")
    assert subjects(server) == []


def test_s25_a_connection_cut_before_the_answer_leaves_one_or_none(server):
    count, chance = scaled(1000), random.Random(25)

    def cut_some(first):
        for number in range(first, count, 4):
            with smtp(server) as raw:
                begin_data(raw)
                raw.say(f"Subject: cut-{number}\r\n\r\ntext\r\n.\r\n".encode())
                time.sleep(chance.random() * 0.003)

    with unnoticed(server):
        threads = [threading.Thread(target=cut_some, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = subjects(server)
    assert len(found) == len(set(found)) and len(found) <= count


def test_s26_every_recipient_has_his_answer_and_no_retry_doubles_the_good_one(server):
    deliver(server, mails.simple("filler"), BOB)
    server.admin("PATCH", f"/accounts/{BOB}", {"quota_octets": 1, "quota_messages": 0})
    with smtp(server, "lmtp") as raw:
        raw.ask(ENVELOPE[0])
        assert raw.ask(b"RCPT TO:<ann@example.org>\r\n").startswith(b"250")
        assert raw.ask(b"RCPT TO:<bob@example.org>\r\n").startswith(b"452")
        assert raw.ask(b"RCPT TO:<nobody@example.org>\r\n").startswith(b"550")
        assert raw.ask(b"DATA\r\n").startswith(b"354")
        assert raw.ask(b"Subject: three\r\n\r\nx\r\n.\r\n").startswith(b"250")
        assert raw.ask(b"NOOP\r\n").startswith(b"250")
    assert subjects(server) == ["three"]


def test_greetings_that_are_no_names_come_into_no_header(server):
    for name in (b"\xff\xfe", b"a\0b", b"a\rb", b"x y", b"(comment)", b"<x>", b"x\tby\tevil"):
        with Raw(server, "smtp") as raw:
            raw.reply()
            raw.ask(b"EHLO " + name + b"\r\n")
            if raw.ask(ENVELOPE[0]).startswith(b"250"):
                raw.ask(ENVELOPE[1])
                raw.ask(b"DATA\r\n")
                assert raw.ask(b"Subject: named\r\n\r\nx\r\n.\r\n").startswith(b"250")
    for header in headers(server):
        assert all(9 <= octet < 127 for octet in header) and b"evil" not in header, header


def headers(server):
    client = imaplib.IMAP4("127.0.0.1", server.imap_port)
    client.login(ANN, PASSWORD)
    client.select("INBOX", readonly=True)
    data = client.fetch("1:*", "(BODY.PEEK[HEADER])")[1]
    client.logout()
    return [item[1] for item in data if isinstance(item, tuple)]
