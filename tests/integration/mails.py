"""Mails that tests send, and what is left of them when they are read."""
import email.message
import email.policy
import hashlib
import random


def simple(identity, size=200):
    """A small mail that carries its identity in the header and in the body."""
    body = (f"{identity}\r\n" + "x" * 70 + "\r\n") + "y" * max(0, size - 200)
    return (f"From: carol@example.com\r\nTo: ann@example.org\r\nSubject: {identity}\r\n"
            f"Message-ID: <{identity}@example.com>\r\nDate: Mon, 23 Nov 2026 09:00:00 +0000\r\n\r\n{body}\r\n").encode()


def with_attachment(identity, size):
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["From"] = "Carol <carol@example.com>"
    message["To"] = "Änn <ann@example.org>"
    message["Subject"] = f"{identity} größer"
    message.set_content("Grüße\n")
    message.add_alternative("<p>Grüße</p>", subtype="html")
    message.add_attachment(random.Random(identity).randbytes(size), maintype="application", subtype="octet-stream",
                           filename="größe.bin")
    return message.as_bytes()


def body_digest(message):
    """Of what follows the header block: that must not change on any way."""
    return hashlib.sha256(message.split(b"\r\n\r\n", 1)[1]).hexdigest()
