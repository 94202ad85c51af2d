"""The admin API and avisoctl on the running server: what they answer, and what clients then see."""
import collections
import concurrent.futures
import contextlib
import http.client
import imaplib
import json
import poplib
import smtplib
import socket
import subprocess

import pytest

import mails
from aviso import BIN, PASSWORD

ANN = "ann@example.org"
BOB = "bob@example.org"
DONE, REFUSED, USAGE, NOT_FOUND, CONFLICT, UNAVAILABLE, DENIED = range(7)
# "secret" by crypt(5)'s SHA-512 with few rounds: adding many accounts takes no time.
HASH = "$6$rounds=1000$salt$HNxBeBnDfSfUrTj6KiLnmd7tGCvHEmcExh8kl/S0cZ5WrCciNZgfhbpkeFQ4JfkHX.8vPq45lY0iINnCx1Lkm."


class Api:
    """Requests as they are, refusals included."""

    def __init__(self, server):
        self.server = server
        self.token = (server.data / "admin_token").read_text().strip()

    def call(self, method, path, body=None, token=None, headers=()):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http_port, timeout=60)
        with contextlib.closing(connection):
            given = {"Authorization": f"Bearer {self.token if token is None else token}", **dict(headers)}
            text = body if isinstance(body, (bytes, str, type(None))) else json.dumps(body)
            connection.request(method, path, text, {name: value for name, value in given.items() if value})
            answer = connection.getresponse()
            octets = answer.read()
            self.headers = answer.headers
        return answer.status, json.loads(octets) if octets[:1] in b"{[" and octets else octets

    def refusal(self, *words, **options):
        """The code of a refusal, which must say in words what is wrong."""
        code, answer = self.call(*words, **options)
        assert code >= 400, (code, answer)
        assert answer["error"] and answer["message"], answer
        return code


@pytest.fixture
def api(server):
    return Api(server)


def ctl(server, *words, code=DONE, **options):
    done = server.ctl(*words, check=False, **options)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    assert done.stderr or code == DONE, "a refusal without a word"
    return done


def ctl_json(server, *words):
    return json.loads(ctl(server, "-o", "json", *words).stdout)


def rows(text):
    """A table's title, and its rows."""
    lines = [line.split() for line in text.splitlines()]
    return lines[0], lines[1:]


def imap(server, user=ANN, password=PASSWORD):
    client = imaplib.IMAP4("127.0.0.1", server.imap_port)
    client.login(user, password)
    return client


def may_log_in(server, user, password):
    try:
        imap(server, user, password).logout()
        return True
    except imaplib.IMAP4.error:
        return False


def pop3(server, user=ANN):
    client = poplib.POP3("127.0.0.1", server.pop3_port)
    client.user(user)
    client.pass_(PASSWORD)
    return client


def rcpt(server, recipient):
    with smtplib.SMTP("127.0.0.1", server.smtp_port) as client:
        client.ehlo()
        client.mail("carol@example.com")
        return client.rcpt(recipient)[0]


def refusal(server, recipient, message=None):
    """The code of the refusal, which comes with RCPT, or with the message when the front end still knew better."""
    with smtplib.SMTP("127.0.0.1", server.smtp_port) as client:
        client.ehlo()
        client.mail("carol@example.com")
        code = client.rcpt(recipient)[0]
        return code if code != 250 else client.data(message or mails.simple("refused"))[0]


def deliver(server, recipient, name="one"):
    with smtplib.SMTP("127.0.0.1", server.smtp_port) as client:
        client.sendmail("carol@example.com", [recipient], mails.simple(name))


# ---- avisoctl ----


def test_domains_are_added_listed_and_removed(server):
    ctl(server, "domain", "add", "Example.NET", "--catch-all", ANN)
    assert ctl_json(server, "domain", "list") == [{"domain": "example.net", "catch_all": ANN},
                                                  {"domain": "example.org"}]
    title, lines = rows(ctl(server, "domain", "list").stdout)
    assert title == ["DOMAIN", "CATCH-ALL"] and ["example.net", ANN] in lines
    assert rcpt(server, "whoever@example.net") == 250
    assert "exists" in ctl(server, "domain", "add", "example.net", code=CONFLICT).stderr
    assert "example.org" in ctl(server, "domain", "add", "not a domain", code=REFUSED).stderr
    assert "2 addresses are left" in ctl(server, "domain", "remove", "example.org", code=CONFLICT).stderr
    ctl(server, "domain", "remove", "example.net")
    ctl(server, "domain", "remove", "example.net", code=NOT_FOUND)
    assert len(ctl_json(server, "domain", "list")) == 1


def test_accounts_are_added_shown_and_removed(server):
    ctl(server, "account", "add", "Zoe@example.org", "--quota", "10MiB", "--quota-messages", "5", "--password-stdin",
        input="first word\n")
    shown = ctl_json(server, "account", "show", "zoe@example.org")
    assert shown["quota_octets"] == 10 << 20 and shown["quota_messages"] == 5
    assert shown["has_password"] is True and shown["suspended"] is False and shown["used_messages"] == 0
    assert "10.0 MiB" in ctl(server, "account", "show", "zoe@example.org").stdout
    assert may_log_in(server, "zoe@example.org", "first word")
    assert {one["address"] for one in ctl_json(server, "account", "list")} == {ANN, BOB, "zoe@example.org"}
    assert ctl_json(server, "account", "list", "example.com") == []
    title, lines = rows(ctl(server, "account", "list", "example.org").stdout)
    assert title == ["ADDRESS", "SHARD", "ID"] and len(lines) == 3
    assert "exists" in ctl(server, "account", "add", ANN, "--password", "x", code=CONFLICT).stderr
    assert "domain add example.com" in ctl(server, "account", "add", "a@example.com", "--password", "x",
                                           code=NOT_FOUND).stderr
    ctl(server, "account", "show", "nobody@example.org", code=NOT_FOUND)
    assert "--yes" in ctl(server, "account", "remove", "zoe@example.org", code=USAGE).stderr
    ctl(server, "account", "remove", "zoe@example.org", "--yes")
    ctl(server, "account", "show", "zoe@example.org", code=NOT_FOUND)


def test_a_password_is_needed_and_must_be_whole(server):
    add = ("account", "add", "zoe@example.org")
    assert "--password-stdin" in ctl(server, *add, code=USAGE, stdin=subprocess.DEVNULL).stderr
    ctl(server, *add, "--password-stdin", code=USAGE, input="\n")
    assert "long" in ctl(server, *add, "--password-stdin", code=USAGE, input="x" * 5000 + "\n").stderr
    assert "hash" in ctl(server, *add, "--credential", "plain text", code=REFUSED).stderr
    ctl(server, *add, "--credential", HASH)
    assert ctl_json(server, "account", "show", "zoe@example.org")["has_password"] is True


def test_aliases_and_groups_lead_to_accounts(server):
    ctl(server, "alias", "add", "anna@example.org", ANN)
    ctl(server, "group", "add", "all@example.org", ANN, BOB)
    assert ctl_json(server, "alias", "list") == [{"address": "anna@example.org", "kind": "alias", "targets": [ANN]}]
    assert [one["targets"] for one in ctl_json(server, "group", "list", "example.org")] == [[ANN, BOB]]
    assert ["all@example.org", f"{ANN},", BOB] in rows(ctl(server, "group", "list").stdout)[1]
    deliver(server, "anna@example.org")
    deliver(server, "all@example.org", "two")
    assert [one["messages"] for one in ctl_json(server, "mailbox", "list", ANN) if one["name"] == "INBOX"] == [2]
    assert [one["messages"] for one in ctl_json(server, "mailbox", "list", BOB) if one["name"] == "INBOX"] == [1]
    title, lines = rows(ctl(server, "mailbox", "list", BOB).stdout)
    assert title == ["NAME", "MESSAGES", "UNSEEN", "SIZE", "USE"] and len(lines) == 6
    ctl(server, "group", "add", "all@example.org", BOB)  # again: it changes
    assert ctl_json(server, "group", "list")[0]["targets"] == [BOB]
    assert "an account has" in ctl(server, "alias", "add", BOB, ANN, code=CONFLICT).stderr
    assert "avisoctl alias" in ctl(server, "account", "show", "anna@example.org", code=CONFLICT).stderr
    assert "avisoctl account" in ctl(server, "alias", "remove", ANN, code=CONFLICT).stderr
    ctl(server, "alias", "add", "a@example.com", ANN, code=NOT_FOUND)
    ctl(server, "alias", "add", "b@example.org", "no address", code=REFUSED)
    ctl(server, "alias", "remove", "anna@example.org")
    ctl(server, "alias", "remove", "anna@example.org", code=NOT_FOUND)
    ctl(server, "group", "remove", "all@example.org")
    assert ctl_json(server, "alias", "list") == ctl_json(server, "group", "list") == []


def test_status_counts_what_is_there(server):
    ctl(server, "alias", "add", "anna@example.org", ANN)
    status = ctl_json(server, "status")
    assert (status["domains"], status["accounts"], status["aliases"], status["groups"]) == (1, 2, 1, 0)
    assert status["shards"] > 0 and status["version"]
    assert ["accounts", "2"] in [line.split() for line in ctl(server, "status").stdout.splitlines()]


def test_exit_codes_are_what_help_says(server, tmp_path):
    help_text = subprocess.run([BIN / "avisoctl", "--help"], check=True, text=True, capture_output=True).stdout
    assert "exit codes: 0 done, 1 refused, 2 usage, 3 no such thing, 4 exists or changed" in help_text
    assert "5 not reachable, 6 wrong token" in help_text
    for words in ([], ["account"], ["account", "add"], ["nothing", "list"], ["status", "--surprise"],
                  ["-o", "xml", "status"], ["status", "-o"]):
        ctl(server, *words, code=USAGE)
    wrong = tmp_path / "wrong"
    wrong.write_text("guess\n")
    assert "token" in ctl(server, "--token-file", wrong, "status", code=DENIED).stderr
    assert "admin_token" in ctl(server, "--token-file", tmp_path / "nowhere", "status", code=REFUSED).stderr
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        assert url in ctl(server, "--url", url, "status", code=UNAVAILABLE).stderr


# ---- The API under bad requests ----


def test_the_token_is_asked_for(api):
    for token in ("", "guess", api.token + "x", api.token[:-1]):
        assert api.refusal("GET", "/admin/v1/status", token=token) == 401
        assert api.headers["WWW-Authenticate"] == "Bearer"
    for value in ("", f"Basic {api.token}", api.token):
        assert api.refusal("GET", "/admin/v1/status", headers={"Authorization": value}) == 401
    assert api.refusal("GET", "/admin/v1/nowhere", token="guess") == 401
    assert api.call("GET", "/admin/v1/status")[0] == 200


def test_unknown_paths_and_methods_are_told_apart(api):
    for path in ("/admin/", "/admin/v1", "/admin/v2/status", "/admin/v1/status/", "/admin/v1/accounts/a/b/c",
                 "/admin/v1/accounts/"):
        assert api.refusal("GET", path) == 404
    assert api.refusal("DELETE", "/admin/v1/status") == 405
    assert api.headers["Allow"] == "GET"
    assert api.refusal("PUT", f"/admin/v1/accounts/{ANN}") == 405
    assert sorted(api.headers["Allow"].split(", ")) == ["DELETE", "GET", "PATCH"]
    assert api.refusal("GET", "/admin/v1/accounts/%zz") == 400
    assert api.call("GET", "/nowhere", token="")[0] == 404


def test_bodies_that_are_no_objects_are_refused(api):
    for body in (b"{", b"[]", b"1", b"\xff\xfe", b'{"domain":"a.org","domain":"b.org"}', b"[" * 100000,
                 b'{"domain":"a\\u0000.org"}', b'{"domain":1}', b'{"domain":null}', b"{}"):
        assert api.refusal("POST", "/admin/v1/domains", body=body) == 400, body[:40]
    for body in ({"address": "zoe@example.org", "quota_octets": -1}, {"address": "zoe@example.org", "quota_octets": "1"},
                 {"address": "zoe@example.org", "quota_octets": 1.5}, {"address": "@"}, {"address": ["a"]},
                 {"address": "zoe@example.org", "password": ""}, {"address": "zoe@example.org", "password": "x" * 5000},
                 {"address": "zoe@example.org", "password": "x", "credential": HASH}):
        assert api.refusal("POST", "/admin/v1/accounts", body=body) == 400, body
    for body in ({}, {"suspended": "yes"}, {"quota_octets": 1}):
        assert api.refusal("PATCH", f"/admin/v1/accounts/{ANN}", body=body) == 400, body
    for body in ({}, {"kind": "alias", "targets": []}, {"kind": "alias", "targets": [ANN, BOB]},
                 {"kind": "friend", "targets": [ANN]}, {"kind": "group", "targets": [1]},
                 {"kind": "group", "targets": [ANN] * 1001}):
        assert api.refusal("PUT", "/admin/v1/names/x@example.org", body=body) == 400, body
    assert api.call("GET", "/admin/v1/names") == (200, [])
    assert len(api.call("GET", "/admin/v1/accounts")[1]) == 2


def test_an_oversize_body_is_refused_and_the_server_goes_on(api):
    body = b'{"domain":"' + b"a" * 300000 + b'.org"}'
    assert api.call("POST", "/admin/v1/domains", body=body)[0] == 413
    assert api.call("GET", "/admin/v1/status")[0] == 200


def test_of_concurrent_adds_one_wins(api):
    def add(number):
        return Api(api.server).call("POST", "/admin/v1/accounts", {"address": f"race-{number % 5}@example.org",
                                                                   "credential": HASH})
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(add, range(60)))
    counted = collections.Counter((answer[0], answer[1].get("address")) for answer in answers)
    for number in range(5):
        assert counted[(201, f"race-{number}@example.org")] == 1
    assert sum(count for (code, _), count in counted.items() if code == 409) == 55
    won = {answer["address"]: answer["id"] for code, answer in answers if code == 201}
    listed = {one["address"]: one["id"] for one in api.call("GET", "/admin/v1/accounts")[1]}
    assert {address: listed[address] for address in won} == won
    for address, account in won.items():
        assert api.call("GET", f"/admin/v1/accounts/{address}")[1]["id"] == account
        deliver(api.server, address)


# ---- What clients see of it ----


def test_a_new_password_counts_at_once(server):
    for _ in range(2):  # the second time from the cache of right pairs
        assert may_log_in(server, ANN, PASSWORD)
    ctl(server, "account", "password", ANN, "--password", "changed")
    assert not may_log_in(server, ANN, PASSWORD)
    assert may_log_in(server, ANN, "changed")
    ctl(server, "account", "password", ANN, "--password-stdin", input=f"{PASSWORD}\n")
    assert not may_log_in(server, ANN, "changed")
    assert may_log_in(server, ANN, PASSWORD)


def open_sessions(server):
    """An idling IMAP client, one between commands, and a POP3 client, all of ann."""
    idling, resting = imap(server), imap(server)
    for client in (idling, resting):
        assert client.select("INBOX")[0] == "OK"
        client.sock.settimeout(20)
    idling.send(b"i1 IDLE\r\n")
    assert idling.readline().startswith(b"+")
    return idling, resting, pop3(server)


def assert_ended(idling, resting, pop):
    for client in (idling, resting):
        assert client.readline().startswith(b"* BYE [CONTACTADMIN]")
        assert client.sock.recv(1) == b""
    pop.sock.settimeout(20)
    assert pop.sock.recv(1) == b""


def test_suspending_ends_sessions_and_resuming_lets_in_again(server):
    deliver(server, ANN)
    sessions = open_sessions(server)
    bystander = imap(server, BOB)
    with smtplib.SMTP("127.0.0.1", server.submission_port) as sender:
        sender.ehlo()
        sender.login(ANN, PASSWORD)
        assert sender.mail(ANN)[0] == 250
        assert sender.rset()[0] == 250
        ctl(server, "account", "suspend", ANN)
        assert_ended(*sessions)
        assert sender.mail(ANN)[0] == 421
    assert ctl_json(server, "account", "show", ANN)["suspended"] is True
    assert not may_log_in(server, ANN, PASSWORD)
    with pytest.raises(poplib.error_proto, match="suspended"):
        pop3(server)
    assert refusal(server, ANN) == 550
    assert bystander.noop()[0] == "OK"
    ctl(server, "account", "resume", ANN)
    client = imap(server)
    assert client.select("INBOX") == ("OK", [b"1"])
    assert client.noop()[0] == "OK"
    deliver(server, ANN, "two")
    assert pop3(server).stat()[0] == 2


def test_quota_is_kept_on_every_way_in(server):
    ctl(server, "account", "quota", ANN, "0", "1")
    deliver(server, ANN)
    client = imap(server)
    status, data = client.append("INBOX", "", None, mails.simple("append"))
    assert status == "NO" and b"OVERQUOTA" in data[0]
    assert refusal(server, ANN) == 452
    with smtplib.LMTP("127.0.0.1", server.lmtp_port) as lmtp:
        with pytest.raises((smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError)) as refused:
            lmtp.sendmail("c@example.com", [ANN], mails.simple("lmtp"))
    assert "552" in str(refused.value) or "452" in str(refused.value)
    ctl(server, "account", "quota", ANN, "10KiB")
    large = mails.simple("large") + b"x" * 70 * 200
    assert refusal(server, ANN, large) in (452, 552)
    status, data = client.append("INBOX", "", None, large)
    assert status == "NO" and b"OVERQUOTA" in data[0]
    ctl(server, "account", "quota", ANN, "0")
    assert client.append("INBOX", "", None, large)[0] == "OK"
    assert "used_octets" in ctl(server, "account", "show", ANN).stdout
    assert "not a size" in ctl(server, "account", "quota", ANN, "plenty", code=USAGE).stderr


def test_a_removed_account_is_gone_with_its_mail(server):
    deliver(server, ANN)
    sessions = open_sessions(server)
    before = ctl_json(server, "account", "show", ANN)["id"]
    ctl(server, "account", "remove", ANN, "--yes")
    assert_ended(*sessions)
    assert refusal(server, ANN) == 550
    assert not may_log_in(server, ANN, PASSWORD)
    ctl(server, "mailbox", "list", ANN, code=NOT_FOUND)
    ctl(server, "account", "add", ANN, "--password", PASSWORD)
    assert ctl_json(server, "account", "show", ANN)["id"] != before
    client = imap(server)
    assert client.select("INBOX") == ("OK", [b"0"])
    deliver(server, ANN, "new")
    client.noop()
    assert client.untagged_responses["EXISTS"][-1] == b"1"


def inbox_count(server, user):
    client = imap(server, user)
    count = int(client.select("INBOX")[1][0])
    client.logout()
    return count


def test_a_group_gets_mail_but_for_who_is_suspended(server):
    staff = "staff@example.org"
    ctl(server, "group", "add", staff, ANN, BOB)
    ctl(server, "account", "quota", BOB, "0", "1")
    deliver(server, BOB)
    deliver(server, staff, "over bob's quota")
    assert (inbox_count(server, ANN), inbox_count(server, BOB)) == (1, 2)
    ctl(server, "account", "suspend", ANN)
    assert refusal(server, BOB) == 452
    ctl(server, "account", "quota", BOB, "0")
    with smtplib.SMTP("127.0.0.1", server.smtp_port) as client:
        client.ehlo()
        client.mail("carol@example.com")
        ctl(server, "account", "resume", ANN)
        assert client.rcpt(staff)[0] == 250
        ctl(server, "account", "suspend", ANN)  # between RCPT and DATA
        assert client.data(mails.simple("for bob alone"))[0] == 250
        assert inbox_count(server, BOB) == 3
        ctl(server, "account", "suspend", BOB)
        assert refusal(server, staff) == 550
    ctl(server, "account", "resume", ANN)
    assert inbox_count(server, ANN) == 1
