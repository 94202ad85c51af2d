"""Hostile IMAP and POP3 against the running server; rows of the table of bad inputs by number."""
import imaplib
import socket
import threading
import time

import pytest

import mails
from aviso import PASSWORD, Server
from hostile import ANN, Raw, deliver, imap, resident_kib, scaled, subjects, unnoticed

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def server(tmp_path):
    one = Server(tmp_path, **{"limits.connections_per_address": "20000", "limits.connections": "20000"}).start().fill()
    yield one
    one.stop()


def is_refusal(answer):
    """BAD, NO, BYE or the end of the connection: never OK."""
    return answer == b"closed" or answer.startswith(b"* BYE") or answer.split()[1] in (b"BAD", b"NO")


@pytest.mark.parametrize("bomb", [b"{4294967295}", b"{99999999999999999999}", b"{4294967295+}", b"{-1}", b"{+}", b"{1073741824+}"])
def test_i1_literal_bombs_are_refused_unread(server, bomb):
    commands = [b"a LOGIN " + bomb, b"a LOGIN ann " + bomb, b"a AUTHENTICATE " + bomb, b"a ID (" + bomb, bomb,
                b"a SELECT " + bomb, b"a APPEND INBOX " + bomb, b"a SEARCH SUBJECT " + bomb, b"a LIST " + bomb + b" *"]
    with unnoticed(server, 60):
        for command in commands:
            with Raw(server, "imap", timeout=10) as raw:
                raw.line()
                raw.say(command + b"\r\n")
                answer = raw.line()
                assert not answer.startswith(b"+") and b" OK" not in answer, (command, answer)
            with imap(server, timeout=10) as raw:
                raw.say(command + b"\r\n")
                answer = raw.line()
                assert not answer.startswith(b"+") and b" OK" not in answer, (command, answer)


def test_i1_a_thousand_bombs_leave_memory_flat(server):
    raws = []
    with unnoticed(server, 100):
        for _ in range(1000):
            raw = Raw(server, "imap")
            raw.say(b"a LOGIN {1000}\r\n" + b"x" * 500)
            raws.append(raw)
        time.sleep(1)
        for raw in raws:
            raw.socket.close()


def test_i2_nesting_is_limited(server):
    cases = [b"a SEARCH " + b"(" * scaled(1000000) + b"\r\n", b"a SEARCH " + b"NOT " * scaled(1000000) + b"ALL\r\n",
             b"a SEARCH " + b"OR " * scaled(100000) + b"ALL\r\n", b"a FETCH 1 " + b"(" * 5000 + b"\r\n",
             b"a SEARCH " + b"(" * 3000 + b"ALL" + b")" * 3000 + b"\r\n", b"a SEARCH " + b"NOT " * 3000 + b"ALL\r\n"]
    with unnoticed(server, 60):
        for case in cases:
            with Raw(server, "imap") as raw:
                raw.line()
                send_or_be_cut(raw, case)
                assert is_refusal(raw.tagged(b"a")), case[:40]
            with imap(server) as raw:
                raw.say(b"s SELECT INBOX\r\n")
                raw.tagged(b"s")
                send_or_be_cut(raw, case)
                assert is_refusal(raw.tagged(b"a")), case[:40]


def send_or_be_cut(raw, octets):
    try:
        raw.say(octets)
    except OSError:
        pass


def test_i3_strings_with_what_does_not_belong_in_them(server):
    cases = [b'a LOGIN "a\0b" x\r\n', b'a LOGIN "a\\\r\n', b'a LOGIN "a\r\n', b"a LOGIN {3+}\r\na\0b x\r\n",
             b"a LOGIN a\nb LOGOUT\r\n", b'a LOGIN "\xff\xfe" "\x80"\r\n', b"a LOGIN \x01 x\r\n", b"\0\0\0\r\n",
             b"a LOGIN ann@example.org \"secret\\\"\r\n"]
    with unnoticed(server):
        for case in cases:
            with Raw(server, "imap") as raw:
                raw.line()
                raw.say(case + b"z NOOP\r\n")
                heard = raw.line()
                assert b"a OK" not in heard, (case, heard)


def test_i4_sets_and_parts_out_of_range(server):
    deliver(server, mails.simple("one"))
    sets = [b"0", b"4294967296", b"1:4294967296", b"*:0", b"", b",", b"1,", b"1:", b":1", b"1::2", b"a", b"-1",
            b",".join(b"%d" % number for number in range(1, 20001))]
    parts = [b"BODY[]<4294967295.4294967295>", b"BODY[]<-1.5>", b"BODY[" + b"1." * 10000 + b"1]", b"BODY[0]", b"BODY[1.]",
             b"BODY[HEADER.FIELDS ()]", b"BODY[1.MIME.1]", b"BODY[]<1.0>", b"BODY[99999999999]"]
    with unnoticed(server):
        with imap(server) as raw:
            raw.say(b"s SELECT INBOX\r\n")
            raw.tagged(b"s")
            for number, one in enumerate(sets):
                tag = b"t%d" % number
                raw.say(tag + b" FETCH " + one + b" FLAGS\r\n")
                answer = raw.tagged(tag)
                assert is_refusal(answer) or len(one) > 1000, (one[:40], answer)
                if answer == b"closed" or answer.startswith(b"* BYE"):
                    break
        with imap(server) as raw:  # so many refusals end a session
            raw.say(b"s SELECT INBOX\r\n")
            raw.tagged(b"s")
            for one in (b"4294967295:*", b"*:1", b"*"):
                raw.say(b"u UID FETCH " + one + b" FLAGS\r\n")
                assert raw.tagged(b"u").startswith(b"u OK"), one
            for number, one in enumerate(parts):
                tag = b"p%d" % number
                raw.say(tag + b" FETCH 1 " + one + b"\r\n")
                answer = raw.tagged(tag)
                assert answer.split()[1] in (b"OK", b"BAD", b"NO"), (one[:40], answer)


def test_i5_mailbox_names_stay_names(server):
    refused = [b'"a//b"', b'"/a"', b'""', b'"a\xff"', b'"' + b"x" * 65000 + b'"', b'"' + b"a/" * 10000 + b'a"',
               b'"&AAA"', b'"&Jjo!"', b'"\xc0\xaf"', b'"a\0b"']
    kept = [b'"../../x"', b'"a/../b"', b'"etc/x"', b'"~root"', b'"a b"', b'"a\\"b"', b'"a{b"', b'"&Jjo-"', b'"*"', b'"%x%"']
    with unnoticed(server):
        with imap(server) as raw:
            for number, name in enumerate(refused):
                tag = b"r%d" % number
                raw.say(tag + b" CREATE " + name + b"\r\n")
                answer = raw.tagged(tag)
                assert is_refusal(answer), (name[:40], answer)
                if answer == b"closed" or answer.startswith(b"* BYE"):
                    raw.socket.close()
                    raw.socket = imap(server).socket
                    raw.heard = b""
        with imap(server) as raw:
            for number, name in enumerate(kept):
                tag = b"k%d" % number
                raw.say(tag + b" CREATE " + name + b"\r\n" + tag + b"s SELECT " + name + b"\r\n")
                created = raw.tagged(tag)
                selected = raw.tagged(tag + b"s")
                assert created.split()[1] == selected.split()[1], (name, created, selected)
        with imap(server) as raw:
            for name in (b"iNbOx", b"inbox", b"INBOX/"):
                raw.say(b"c CREATE " + name + b"\r\n")
                assert is_refusal(raw.tagged(b"c")), name
            # One name in two spellings of Unicode is one mailbox.
            raw.say(b"n CREATE Caf&AOk-\r\nd CREATE Cafe&AwE-\r\n")
            assert raw.tagged(b"n").startswith(b"n OK")
            assert is_refusal(raw.tagged(b"d"))


def test_i6_what_mail_says_is_a_string_and_no_answer(server):
    evil = '=?utf-8?q?x=0D=0A*_BYE_bad=0D=0Aa_OK_done?= ") {3} ('
    message = (f"From: \"a\\\"b) {{3}}\" <x@example.com>\r\nTo: ann@example.org\r\nSubject: {evil}\r\n"
               "Content-Type: text/plain; name=\"a\\\"b) (\"\r\n\r\nbody\r\n").encode()
    deliver(server, message)
    with imap(server) as raw:
        raw.say(b"s SELECT INBOX\r\n")
        raw.tagged(b"s")
        raw.say(b"f FETCH 1 (ENVELOPE BODYSTRUCTURE FLAGS)\r\n")
        lines = []
        while not (line := raw.line()).startswith(b"f "):
            lines.append(line)
        assert line.startswith(b"f OK")
        assert not any(one.startswith((b"* BYE", b"a OK")) for one in lines), lines
        raw.say(b"n STORE 1 +FLAGS (\"x\\\")\r\n")
        assert is_refusal(raw.tagged(b"n"))
    client = imaplib.IMAP4("127.0.0.1", server.imap_port)
    client.login(ANN, PASSWORD)
    client.select("INBOX")
    assert client.fetch("1", "(ENVELOPE)")[0] == "OK"
    client.logout()


def test_i7_patterns_do_not_blow_up(server):
    with unnoticed(server):
        with imap(server) as raw:
            for number in range(scaled(2000)):
                raw.say(b"c CREATE %s%d\r\n" % (b"a" * 60, number))
                assert raw.tagged(b"c").startswith(b"c OK")
            raw.say(b'l LIST "" "' + b"*%" * 200 + b'z"\r\n')
            assert raw.tagged(b"l").split()[1] in (b"OK", b"BAD", b"NO")
            raw.say(b"s SELECT INBOX\r\n")
            raw.tagged(b"s")
            raw.say(b"h SEARCH " + b"HEADER X-A b " * 10000 + b"\r\n")
            answer = raw.tagged(b"h")  # a line over the limit ends the session
            assert answer.startswith((b"h BAD", b"* BYE")), answer


def test_i8_keywords_are_limited(server):
    deliver(server, mails.simple("one"))
    with unnoticed(server):
        with imap(server) as raw:
            raw.say(b"s SELECT INBOX\r\n")
            raw.tagged(b"s")
            answers = set()
            for start in range(0, scaled(10000), 50):
                words = b" ".join(b"k%d" % number for number in range(start, start + 50))
                raw.say(b"t STORE 1 FLAGS.SILENT (" + words + b")\r\n")
                answers.add(raw.tagged(b"t").split()[1])
            assert answers == {b"OK", b"NO"}


def test_i10_idlers_by_the_thousand(server):
    raws = []
    with unnoticed(server, 300):
        for _ in range(scaled(10000)):
            raw = imap(server)
            raw.say(b"s SELECT INBOX\r\ni IDLE\r\n")
            raws.append(raw)
        for raw in raws:
            while not raw.line().startswith(b"+"):
                pass
        deliver(server, mails.simple("news"))
        for raw in raws[:50]:
            while not raw.line().endswith(b"EXISTS"):
                pass
        raws[0].say(b"JUNK\r\n")
        assert is_refusal(raws[0].tagged(b"i"))
        for raw in raws:
            raw.socket.close()


def test_i12_appends_that_fail_leave_nothing(server):
    def usage():
        return server.admin("GET", f"/accounts/{ANN}")["used_octets"]

    with unnoticed(server):
        with imap(server) as raw:  # cut inside the literal
            raw.say(b"a APPEND INBOX {1000+}\r\nSubject: cut\r\n")
        for case in (b"a APPEND INBOX {0+}\r\n\r\n", b"a APPEND INBOX {3+}\r\na\0b\r\n",
                     b'a APPEND INBOX "01-Jan-0000 00:00:00 +0000" {2+}\r\nab\r\n',
                     b'a APPEND INBOX "99-Jan-9999 99:00:00 +0000" {2+}\r\nab\r\n', b"a APPEND Nowhere {2+}\r\nab\r\n"):
            with imap(server, timeout=10) as raw:
                raw.say(case)
                assert is_refusal(raw.tagged(b"a")), case
        with imap(server) as raw:
            raw.say(b"a APPEND INBOX {104857600}\r\n")
            assert is_refusal(raw.tagged(b"a"))
            raw.say(b"b APPEND INBOX ~{5}\r\n")
            heard = raw.line()
            if heard.startswith(b"+"):
                raw.say(b"hello\r\n")
                heard = raw.tagged(b"b")
            assert b"OK" not in heard
        with imap(server) as raw:
            raw.say(b"a APPEND INBOX {4+}\r\nA: b {4+}\r\nC: d\r\n")  # MULTIAPPEND, which is not offered
            assert is_refusal(raw.tagged(b"a"))
        assert usage() == 0
    assert subjects(server) == []


def test_i18_clients_that_do_not_read_are_not_read_from(server):
    deliver(server, mails.simple("large", 20 << 20))
    before = resident_kib(server)
    raws = []
    with unnoticed(server, 300):
        for _ in range(scaled(1000)):
            raw = Raw(server, "imap", rcvbuf=4096)
            raw.say(f"l LOGIN {ANN} {PASSWORD}\r\ns SELECT INBOX\r\n".encode())
            raw.socket.setblocking(False)
            try:
                for _ in range(1000):
                    raw.socket.send(b"f FETCH 1:* BODY.PEEK[]\r\n")
            except BlockingIOError:
                pass
            raws.append(raw)
        time.sleep(3)
        assert resident_kib(server) - before < 300 << 10
        for raw in raws:
            raw.socket.close()


def test_i19_sessions_that_race_never_disagree(server):
    for number in range(50):
        deliver(server, mails.simple(f"race-{number}"))
    faults = []

    def act(commands):
        try:
            client = imaplib.IMAP4("127.0.0.1", server.imap_port, timeout=60)
            client.login(ANN, PASSWORD)
            client.select("INBOX")
            for _ in range(30):
                for command in commands:
                    command(client)
            client.logout()
        except imaplib.IMAP4.error as fault:
            faults.append(fault)

    client = imaplib.IMAP4("127.0.0.1", server.imap_port)
    client.login(ANN, PASSWORD)
    client.create("Other")
    with unnoticed(server):
        threads = [threading.Thread(target=act, args=(commands,)) for commands in (
            [lambda one: one.fetch("1:*", "(FLAGS ENVELOPE BODYSTRUCTURE)")],
            [lambda one: one.uid("STORE", "1:10", "+FLAGS", "\\Deleted"), lambda one: one.expunge()],
            [lambda one: one.uid("MOVE", "20:30", "Other")], [lambda one: one.uid("MOVE", "25:35", "Other")],
            [lambda one: one.append("INBOX", "", None, mails.simple("raced")), lambda one: one.noop()])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not faults, faults
    client.select("Other")
    status, data = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    moved = [item[1] for item in data if isinstance(item, tuple)]
    assert status == "OK" and len(moved) == len(set(moved)) <= 16
    client.logout()


def test_i20_tags_and_lines(server):
    with unnoticed(server, 60):
        for case in (b"* NOOP\r\n", b"+ NOOP\r\n", b"A1\r\n", b"a\0 NOOP\r\n", b"\r\n" * scaled(100000),
                     b"a" * (1 << 20) + b" NOOP\r\n", b"a NOOP " + b"x" * 70000 + b"\r\n", b"( NOOP\r\n"):
            with Raw(server, "imap", timeout=20) as raw:
                raw.line()
                send_or_be_cut(raw, case)
                send_or_be_cut(raw, b"z NOOP\r\n")
                answer = raw.tagged(b"z")
                assert answer == b"closed" or answer.startswith((b"* BYE", b"z OK", b"z BAD")), (case[:30], answer)


def pop3(server):
    raw = Raw(server, "pop3")
    raw.line()
    raw.say(f"USER {ANN}\r\nPASS {PASSWORD}\r\n".encode())
    assert raw.line().startswith(b"+OK") and raw.line().startswith(b"+OK")
    return raw


def test_i21_pop3(server):
    for number in range(3):
        deliver(server, mails.simple(f"pop-{number}"))
    with unnoticed(server):
        with pop3(server) as raw:
            for command in (b"RETR 4294967297", b"RETR 0", b"RETR -1", b"RETR 4", b"RETR x", b"TOP 1 -1", b"TOP 1",
                            b"TOP 1 99999999999999999999", b"DELE 18446744073709551617", b"UIDL 9", b"LIST 1 2", b"",
                            b"STLS now", b"x" * 600):
                raw.say(command + b"\r\n")
                assert raw.line().startswith(b"-ERR"), command
            raw.say(b"DELE 1\r\n")
            assert raw.line().startswith(b"+OK")
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert len(subjects(server)) == 3  # no QUIT: nothing is deleted
        with Raw(server, "pop3") as raw:
            raw.line()
            raw.say(b"USER a:b c\r\nPASS  : %s$(x) \r\n")
            assert raw.line().startswith(b"+OK") and raw.line().startswith(b"-ERR")
        with pop3(server) as one, pop3(server) as two:
            one.say(b"DELE 1\r\nQUIT\r\n")
            assert one.line().startswith(b"+OK") and one.line().startswith(b"+OK")
            two.say(b"RETR 1\r\n")
            assert two.line().startswith((b"-ERR", b"+OK"))
    assert len(subjects(server)) == 2
