"""Clients that flood a server, write down every acknowledgement, and check what is there afterwards.

Each mail has an identity of its own and is sent once, so it may be there at most once; where an
acknowledgement was heard, it must be there. A flag or an expunge that was acknowledged stays. UIDs name
one message for ever; UIDVALIDITY stays; UIDNEXT and HIGHESTMODSEQ never go back."""
import imaplib
import random
import re
import smtplib
import threading
import time

import mails
from aviso import PASSWORD

TROUBLE = (OSError, smtplib.SMTPException, imaplib.IMAP4.error, imaplib.IMAP4.abort, EOFError)


class Violation(AssertionError):
    pass


class Client(threading.Thread):
    """Works until told to end, through every death of the server; what it cannot know it notes as doubtful."""

    def __init__(self, server, name, seed):
        super().__init__(daemon=True)
        self.server, self.name_, self.random = server, name, random.Random(f"{seed}/{name}")
        self.ended = threading.Event()
        self.fault = None
        self.acknowledged = 0

    def run(self):
        while not self.ended.is_set():
            try:
                self.session()
            except TROUBLE:
                time.sleep(0.05)
            except Exception as fault:  # pylint: disable=broad-except
                self.fault = fault
                return

    def end(self):
        self.ended.set()
        self.join(timeout=120)
        if self.fault is not None:
            raise self.fault


class Deliverer(Client):
    """Sends by SMTP or LMTP to one account."""

    def __init__(self, server, name, seed, address, lmtp):
        super().__init__(server, name, seed)
        self.address, self.lmtp = address, lmtp
        self.sent, self.kept = 0, set()

    def session(self):
        kind, port = (smtplib.LMTP, self.server.lmtp_port) if self.lmtp else (smtplib.SMTP, self.server.smtp_port)
        with kind("127.0.0.1", port, timeout=60) as client:
            while not self.ended.is_set():
                self.sent += 1
                identity = f"{self.name_}-{self.sent}"
                size = self.random.choice((200, 2000, 20000, 300000 if self.sent % 50 == 0 else 500))
                if client.sendmail("carol@example.com", [self.address], mails.simple(identity, size)) == {}:
                    self.kept.add(identity)
                    self.acknowledged += 1


class Editor(Client):
    """Appends, flags and expunges in a mailbox that nobody else changes."""

    def __init__(self, server, name, seed, address):
        super().__init__(server, name, seed)
        self.address = address
        self.sent = 0
        self.identity_of = {}   # UID: identity, as acknowledged
        self.doubtful = set()   # identities whose APPEND got no answer
        self.flags_of = {}      # UID: the sets of flags that it may have
        self.gone = set()       # UIDs expunged for sure
        self.maybe_gone = set()
        self.validity = None
        self.modseq = 0

    def session(self):
        client = imaplib.IMAP4("127.0.0.1", self.server.imap_port, timeout=60)
        try:
            client.login(self.address, PASSWORD)
            self.look(client)
            while not self.ended.is_set():
                live = [uid for uid in self.identity_of if uid not in self.gone | self.maybe_gone]
                chosen = self.random.random()
                if chosen < 0.5 or len(live) < 10:
                    self.append(client)
                elif chosen < 0.9:
                    self.store(client, self.random.choice(live))
                else:
                    self.expunge(client, self.random.choice(live))
        finally:
            client.shutdown()

    def append(self, client):
        self.sent += 1
        identity = f"{self.name_}-{self.sent}"
        self.doubtful.add(identity)
        status, data = client.append("INBOX", "", None, mails.simple(identity, self.random.choice((200, 3000))))
        if status != "OK":
            raise OSError(data)
        validity, uid = re.search(rb"APPENDUID (\d+) (\d+)", data[0]).groups()
        self.doubtful.discard(identity)
        self.note(int(validity), int(uid), identity)
        self.flags_of[int(uid)] = [frozenset()]
        self.acknowledged += 1

    def store(self, client, uid):
        flags = frozenset(flag for flag in ("\\Seen", "\\Flagged", "\\Answered", "k1") if self.random.random() < 0.5)
        before = self.flags_of[uid]
        self.flags_of[uid] = before + [flags]
        status, data = client.uid("STORE", str(uid), "FLAGS.SILENT", f"({' '.join(sorted(flags))})")
        if status != "OK":
            raise OSError(data)
        self.flags_of[uid] = [flags]
        self.acknowledged += 1

    def expunge(self, client, uid):
        self.maybe_gone.add(uid)
        if client.uid("STORE", str(uid), "+FLAGS.SILENT", "(\\Deleted)")[0] != "OK":
            raise OSError("STORE")
        if client.uid("EXPUNGE", str(uid))[0] != "OK":
            raise OSError("EXPUNGE")
        self.gone.add(uid)
        self.acknowledged += 1

    def note(self, validity, uid, identity):
        if self.validity not in (None, validity):
            raise Violation(f"UIDVALIDITY was {self.validity} and is {validity}")
        self.validity = validity
        if self.identity_of.setdefault(uid, identity) != identity:
            raise Violation(f"UID {uid} was {self.identity_of[uid]} and is {identity}")

    def look(self, client):
        """All that is there against all that was acknowledged."""
        status, data = client.select("INBOX")
        if status != "OK":
            raise OSError(data)
        validity = int(client.response("UIDVALIDITY")[1][0])
        uid_next = int(client.response("UIDNEXT")[1][0])
        modseq = int(client.response("HIGHESTMODSEQ")[1][0])
        if modseq < self.modseq:
            raise Violation(f"HIGHESTMODSEQ went back from {self.modseq} to {modseq}")
        self.modseq = modseq
        if self.identity_of and uid_next <= max(self.identity_of):
            raise Violation(f"UIDNEXT {uid_next} is not above UID {max(self.identity_of)}")
        found = {}
        for uid, flags, identity in rows(client):
            found[uid] = identity
            self.note(validity, uid, identity)
            self.doubtful.discard(identity)
            if uid in self.gone:
                raise Violation(f"UID {uid} was expunged and is there again")
            allowed = self.flags_of.setdefault(uid, [flags - {"\\Recent", "\\Deleted"}])
            seen = flags - {"\\Recent", "\\Deleted"}
            if seen not in allowed:
                raise Violation(f"UID {uid} has {sorted(seen)}, may have {[sorted(one) for one in allowed]}")
            self.flags_of[uid] = [seen]
        if len(set(found.values())) != len(found):
            raise Violation("an appended message is there twice")
        for uid in self.identity_of:
            if uid in self.gone or uid in found:
                continue
            if uid not in self.maybe_gone:
                raise Violation(f"UID {uid}, acknowledged as {self.identity_of[uid]}, is lost")
            self.gone.add(uid)
        self.maybe_gone -= set(found)


def rows(client):
    status, data = client.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    if status != "OK":
        raise OSError(data)
    for item in data:
        if not isinstance(item, tuple):
            continue
        uid = int(re.search(rb"UID (\d+)", item[0])[1])
        flags = frozenset(re.search(rb"FLAGS \(([^)]*)\)", item[0])[1].decode().split())
        yield uid, flags, re.search(rb"Subject: (\S+)", item[1])[1].decode()


def log_in(server, address):
    """As who was made and acknowledged: an account that is not known any more was lost, too."""
    client = imaplib.IMAP4("127.0.0.1", server.imap_port, timeout=120)
    try:
        client.login(address, PASSWORD)
    except imaplib.IMAP4.error as fault:
        raise Violation(f"the account {address} is lost: {fault}") from fault
    return client


def check_deliveries(server, deliverers):
    """Every acknowledged delivery is there once; what was not acknowledged, at most once."""
    by_address = {}
    for one in deliverers:
        by_address.setdefault(one.address, []).append(one)
    for address, senders in by_address.items():
        client = log_in(server, address)
        client.select("INBOX", readonly=True)
        there = [identity for _, _, identity in rows(client)]
        client.shutdown()
        kept = set().union(*(sender.kept for sender in senders))
        lost = kept - set(there)
        if lost:
            raise Violation(f"{len(lost)} acknowledged deliveries are lost, such as {sorted(lost)[:3]}")
        twice = {identity for identity in there if there.count(identity) > 1} if len(there) != len(set(there)) else ()
        if twice:
            raise Violation(f"{len(twice)} deliveries are there twice, such as {sorted(twice)[:3]}")


class Flood:
    """All clients of a run, and the check at its end."""

    def __init__(self, server, seed):
        self.server = server
        self.deliverers = [Deliverer(server, "smtp", seed, "ann@example.org", False),
                           Deliverer(server, "lmtp", seed, "ann@example.org", True),
                           Deliverer(server, "other", seed, "cid@example.org", True)]
        self.editors = [Editor(server, "edit", seed, "bob@example.org"),
                        Editor(server, "more", seed, "dan@example.org")]

    @property
    def clients(self):
        return self.deliverers + self.editors

    def begin(self):
        for client in self.clients:
            client.start()
        return self

    def acknowledged(self):
        return sum(client.acknowledged for client in self.clients)

    def healthy(self):
        for client in self.clients:
            if client.fault is not None:
                raise client.fault

    def end(self):
        for client in self.clients:
            client.end()
        for editor in self.editors:
            client = log_in(self.server, editor.address)
            editor.look(client)
            client.shutdown()
        check_deliveries(self.server, self.deliverers)
        return self.acknowledged()


ACCOUNTS = ("ann@example.org", "bob@example.org", "cid@example.org", "dan@example.org")


