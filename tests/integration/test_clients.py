"""Real clients against the real server."""
import email
import imaplib
import mailbox
import poplib
import shutil
import smtplib
import ssl
import subprocess
import time

import pytest

import mails
from aviso import PASSWORD

ANN = "ann@example.org"


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, timeout=120, **options)
    assert done.returncode == 0, (command, done.stdout[-3000:], done.stderr[-3000:])
    return done.stdout


def context(server):
    return ssl.create_default_context(cafile=str(server.certificate))


def lmtp(server, messages, to=ANN):
    with smtplib.LMTP("127.0.0.1", server.lmtp_port) as client:
        for message in messages:
            assert client.sendmail("carol@example.com", [to], message) == {}


def imap(server, user=ANN):
    client = imaplib.IMAP4("127.0.0.1", server.imap_port)
    client.login(user, PASSWORD)
    return client


def fetch_all(client, box="INBOX"):
    assert client.select(box)[0] == "OK"
    status, data = client.uid("FETCH", "1:*", "(BODY.PEEK[])")
    assert status == "OK"
    return [item[1] for item in data if isinstance(item, tuple)]


def test_swaks_sends_with_and_without_tls(server):
    run("swaks", "--server", f"127.0.0.1:{server.smtp_port}", "--to", ANN, "--from", "c@example.com", "--body", "one")
    run("swaks", "--server", f"127.0.0.1:{server.smtp_port}", "--tls", "--to", ANN, "--from", "c@example.com")
    for auth in ("PLAIN", "LOGIN"):
        run("swaks", "--server", f"127.0.0.1:{server.submission_port}", "--tls", "--auth", auth, "--auth-user",
            "bob@example.org", "--auth-password", PASSWORD, "--to", ANN, "--from", "bob@example.org")
    run("swaks", "--server", f"127.0.0.1:{server.lmtp_port}", "--protocol", "LMTP", "--to", ANN, "--from",
        "c@example.com")
    assert len(fetch_all(imap(server))) == 5


def test_curl_speaks_every_protocol(server, tmp_path):
    mail = tmp_path / "mail"
    mail.write_bytes(mails.simple("by-curl"))
    ca = ("--cacert", server.certificate)
    run("curl", "-sS", f"smtp://127.0.0.1:{server.smtp_port}", "--mail-from", "c@example.com", "--mail-rcpt", ANN, "-T",
        mail)
    run("curl", "-sS", *ca, "-u", f"bob@example.org:{PASSWORD}", f"smtps://localhost:{server.submissions_port}",
        "--mail-from", "bob@example.org", "--mail-rcpt", ANN, "-T", mail)
    user = ("-u", f"{ANN}:{PASSWORD}")
    for url in (f"imap://localhost:{server.imap_port}/INBOX;UID=1", f"imaps://localhost:{server.imaps_port}/INBOX;UID=2",
                f"pop3://localhost:{server.pop3_port}/1", f"pop3s://localhost:{server.pop3s_port}/2"):
        assert b"Subject: by-curl" in run("curl", "-sS", *ca, *user, url)
    assert b"Subject: by-curl" in run("curl", "-sS", *ca, "--ssl-reqd", *user,
                                      f"imap://localhost:{server.imap_port}/INBOX;UID=1")


def test_msmtp_submits(server, tmp_path):
    configuration = tmp_path / "msmtprc"
    configuration.write_text(
        f"account default\nhost localhost\nport {server.submission_port}\nauth plain\nuser bob@example.org\n"
        f"passwordeval echo {PASSWORD}\ntls on\ntls_starttls on\ntls_trust_file {server.certificate}\n"
        "from bob@example.org\n")
    configuration.chmod(0o600)
    run("msmtp", "-C", configuration, ANN, input=mails.simple("by-msmtp"))
    assert b"Subject: by-msmtp" in fetch_all(imap(server))[0]


def test_a_large_mail_is_the_same_on_every_way(server):
    message = mails.with_attachment("large", 18 * 1024 * 1024)  # 25 MB in base64
    assert len(message) > 24 * 1024 * 1024
    with smtplib.SMTP("127.0.0.1", server.smtp_port) as client:
        client.sendmail("carol@example.com", [ANN], message)
    client = imap(server)
    assert client.append("INBOX", "", None, message)[0] == "OK"
    first, second = fetch_all(client)
    assert mails.body_digest(first) == mails.body_digest(message)
    assert second == message
    pop = poplib.POP3("127.0.0.1", server.pop3_port)
    pop.user(ANN)
    pop.pass_(PASSWORD)
    assert b"\r\n".join(pop.retr(2)[1]) + b"\r\n" == message
    pop.quit()
    assert email.message_from_bytes(second)["Subject"] is not None


def test_utf8_and_8bit_come_through(server):
    with smtplib.SMTP("127.0.0.1", server.smtp_port) as client:
        client.ehlo()
        client.sendmail("cärol@exämple.com", [ANN], "Subject: Grüße\r\n\r\nGrüße\r\n".encode(),
                        mail_options=["SMTPUTF8", "BODY=8BITMIME"])
        client.sendmail("c@example.com", [ANN], b"Subject: latin\r\n\r\n\xe4\xf6\xfc\r\n",
                        mail_options=["BODY=8BITMIME"])
    first, second = fetch_all(imap(server))
    assert first.endswith("\r\n\r\nGrüße\r\n".encode())
    assert second.endswith(b"\r\n\r\n\xe4\xf6\xfc\r\n")


def test_imaplib_works_on_mailboxes(server):
    lmtp(server, [mails.simple(f"m{i}") for i in range(5)])
    client = imap(server)
    assert client.create("Work/2026")[0] == "OK"
    assert client.select("INBOX") == ("OK", [b"5"])
    assert client.uid("STORE", "1:2", "+FLAGS", r"(\Flagged keyword)")[0] == "OK"
    assert client.uid("SEARCH", "KEYWORD", "keyword")[1] == [b"1 2"]
    assert client.uid("COPY", "1:3", "Work/2026")[0] == "OK"
    assert client.uid("MOVE", "4", "Work/2026")[0] == "OK"
    client.store("1", "+FLAGS", r"\Deleted")
    assert client.expunge()[0] == "OK"
    assert client.uid("SEARCH", "ALL")[1] == [b"2 3 5"]
    assert client.uid("SEARCH", "SUBJECT", "m4")[1] == [b"5"]
    assert client.uid("SEARCH", "BODY", "m2")[1] == [b"3"]
    assert len(fetch_all(client, "Work/2026")) == 4
    assert client.rename("Work/2026", "Play")[0] == "OK"
    assert client.status("Play", "(MESSAGES UIDNEXT)")[1] == [b'Play (MESSAGES 4 UIDNEXT 5)']
    client.logout()


def test_an_idling_client_hears_of_new_mail(server):
    client = imap(server)
    client.select("INBOX")
    client.send(b"i1 IDLE\r\n")
    assert client.readline().startswith(b"+")
    lmtp(server, [mails.simple("wake")])
    assert client.readline().strip() == b"* 1 EXISTS"


def test_pop3_removes_at_quit_only(server):
    lmtp(server, [mails.simple(f"m{i}") for i in range(3)])

    def login():
        client = poplib.POP3("127.0.0.1", server.pop3_port)
        client.user(ANN)
        client.pass_(PASSWORD)
        return client

    first = login()
    unique = first.uidl()[1]
    first.dele(1)
    first.close()
    second = login()
    assert second.uidl()[1] == unique
    second.dele(2)
    second.quit()
    assert [line.split()[1] for line in login().uidl()[1]] == [unique[0].split()[1], unique[2].split()[1]]


def test_mbsync_keeps_a_thousand_messages_the_same(server, tmp_path):
    lmtp(server, [mails.simple(f"m{i}") for i in range(1000)])
    local = tmp_path / "maildir"
    local.mkdir()
    configuration = tmp_path / "mbsyncrc"
    configuration.write_text(
        f"IMAPAccount a\nHost 127.0.0.1\nPort {server.imap_port}\nUser {ANN}\nPass {PASSWORD}\nSSLType None\n"
        f"AuthMechs LOGIN\n\nIMAPStore far\nAccount a\n\nMaildirStore near\nPath {local}/\nInbox {local}/INBOX\n\n"
        f"Channel c\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Both\nExpunge Both\nSync All\n"
        f"SyncState {tmp_path}/state/\n")
    (tmp_path / "state").mkdir()

    def sync():
        run("mbsync", "-c", configuration, "c")

    sync()
    inbox = mailbox.Maildir(local / "INBOX", create=False)
    assert len(inbox) == 1000
    keys = sorted(inbox.keys())
    for key in keys[:100]:
        one = inbox[key]
        one.set_subdir("cur")
        one.add_flag("F")
        inbox[key] = one
    for key in keys[900:]:
        inbox.remove(key)
    inbox.add(mailbox.MaildirMessage(mails.simple("local")))
    client = imap(server)
    client.select("INBOX")
    client.uid("STORE", "101:150", "+FLAGS", r"(\Answered)")
    sync()
    client.select("INBOX")
    assert client.uid("SEARCH", "FLAGGED")[1][0].split().__len__() == 100
    assert len(client.uid("SEARCH", "ALL")[1][0].split()) == 901
    assert len(client.uid("SEARCH", "SUBJECT", "local")[1][0].split()) == 1
    inbox = mailbox.Maildir(local / "INBOX", create=False)
    assert sum("R" in one.get_flags() for one in inbox) == len(client.uid("SEARCH", "ANSWERED")[1][0].split())


def test_fetchmail_takes_all(server, tmp_path):
    lmtp(server, [mails.simple(f"m{i}") for i in range(20)])
    configuration = tmp_path / "fetchmailrc"
    taken = tmp_path / "taken"
    configuration.write_text(
        f'poll 127.0.0.1 service {server.pop3_port} protocol pop3 auth password\n'
        f'user "{ANN}" password "{PASSWORD}" mda "cat >> {taken}" sslproto ""\n')
    configuration.chmod(0o600)
    run("fetchmail", "-f", configuration, "--pidfile", tmp_path / "pid", "--nodetach", "--nosyslog",
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "FETCHMAILHOME": str(tmp_path)})
    assert taken.read_bytes().count(b"Subject: m") == 20
    assert fetch_all(imap(server)) == []


@pytest.mark.skipif(shutil.which("tmux") is None, reason="no terminal multiplexer on this machine")
def test_mutt_shows_the_inbox_and_deletes(server, tmp_path):
    lmtp(server, [mails.simple("first-subject"), mails.simple("second-subject")])
    configuration = tmp_path / "muttrc"
    configuration.write_text(
        f'set folder="imap://{ANN}@127.0.0.1:{server.imap_port}/"\nset spoolfile="+INBOX"\n'
        f'set imap_pass="{PASSWORD}"\nset ssl_starttls=no\nset ssl_force_tls=no\nset delete=yes\n'
        f'set header_cache=""\nset quit=yes\nset beep=no\n')
    session = f"aviso-{server.imap_port}"
    tmux = ("tmux", "-L", session)
    run(*tmux, "new-session", "-d", "-x", "120", "-y", "40", "-s", session,
        f"HOME={tmp_path} TERM=xterm mutt -n -F {configuration}")
    try:
        def screen_with(text):
            for _ in range(150):
                screen = run(*tmux, "capture-pane", "-p", "-t", session).decode(errors="replace")
                if text in screen:
                    return screen
                time.sleep(0.1)
            raise AssertionError(screen)

        assert "first-subject" in screen_with("second-subject")
        run(*tmux, "send-keys", "-t", session, "d")
        run(*tmux, "send-keys", "-t", session, "$")
        for _ in range(100):
            left = fetch_all(imap(server))
            if len(left) == 1:
                break
            time.sleep(0.1)
        assert len(left) == 1
        run(*tmux, "send-keys", "-t", session, "q")
    finally:
        subprocess.run([*tmux, "kill-server"], capture_output=True, timeout=30)
