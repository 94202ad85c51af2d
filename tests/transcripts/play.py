#!/usr/bin/env python3
"""Plays transcripts against a running server: `play.py HOST:PORT FILE...`; see README.md here.

Directions for a stage ("! fail ...") cannot be given to a server from outside: a file that has one
is left out, and said to be. Exits 1 when a dialogue went otherwise than written.
"""
import re
import socket
import ssl
import sys
from pathlib import Path

TIMEOUT_S = 20


class Deviation(Exception):
    pass


class NotForServers(Exception):
    pass


class Names:
    """The $(...) of texts."""

    def __init__(self):
        self.values = {}

    def inset(self, text):
        """The octets that an inset stands for, or None when it is a hole."""
        if re.fullmatch(r"x([0-9a-fA-F]{2})+", text):
            return bytes.fromhex(text[1:])
        if match := re.match(r"repeat\*? (\d+) (.*)", text, re.S):
            return int(match[1]) * self.expand(match[2])
        return self.values.get(text)

    def pieces(self, text):
        """Cuts a text into (octets in front, inset) pairs; the last inset is None."""
        while (start := text.find("$(")) >= 0:
            inner = text[start + 2:]
            end = inner.rindex(")") if inner.startswith("repeat*") else inner.index(")")
            yield text[:start].encode(), inner[:end]
            text = inner[end + 1:]
        yield text.encode(), None

    def expand(self, text):
        octets = b""
        for before, inset in self.pieces(text):
            value = b"" if inset is None else self.inset(inset)
            if value is None:
                raise Deviation(f"nothing was kept under {inset}")
            octets += before + value
        return octets

    def matches(self, pattern, line):
        expression, holes = b"", []
        for before, inset in self.pieces(pattern):
            expression += re.escape(before)
            value = self.inset(inset) if inset not in (None, "any") else None
            if value is not None:
                expression += re.escape(value)
            elif inset == "any":
                expression += b".*?"
            elif inset is not None:
                expression += b"(.+?)"
                holes.append(inset)
        found = re.fullmatch(expression, line, re.S)
        if found:
            self.values.update(zip(holes, found.groups()))
        return bool(found)


class Connection:
    def __init__(self, address, with_tls):
        self.socket = socket.create_connection(address, timeout=TIMEOUT_S)
        self.heard = b""
        self.stream = self.socket
        if with_tls:
            self.start_tls()

    def start_tls(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.stream = context.wrap_socket(self.socket)

    def line(self):
        while b"\r\n" not in self.heard:
            octets = self.stream.recv(65536)
            if not octets:
                raise Deviation(f"the server closed the connection; heard {self.heard[:200]!r}")
            self.heard += octets
        line, self.heard = self.heard.split(b"\r\n", 1)
        return line

    def has_ended(self):
        try:
            return not self.heard and not self.stream.recv(1)
        except ConnectionError:
            return True


class Player:
    def __init__(self, address):
        self.address = address
        self.names = Names()
        self.connections = {}
        self.with_tls = False
        self.after_others = False
        self.starts_tls = {}

    def connection(self, number):
        if number not in self.connections:
            self.connections[number] = Connection(self.address, self.with_tls)
        return self.connections[number]

    def play(self, path):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            line = line.lstrip(" ")
            if line and not line.startswith("#"):
                try:
                    self.play_line(path, line)
                except (Deviation, OSError) as fault:
                    raise Deviation(f"{path}:{number}: {fault}") from fault

    def play_line(self, path, line):
        speaker, _, text = line.partition(" ")
        if speaker == "!":
            self.direct(path, text)
            return
        match = re.fullmatch(r"([CS])([1-9]?)([:-])", speaker)
        if not match:
            raise Deviation("neither C: nor S: nor !")
        number = int(match[2] or 1)
        connection = self.connection(number)
        if match[1] == "C":
            said = self.names.expand(text) + (b"\r\n" if match[3] == ":" else b"")
            connection.stream.sendall(said)
            if re.fullmatch(rb"(\S+ )?(STARTTLS|STLS)\r\n", said, re.I):
                self.starts_tls[number] = True
        elif text == "...":
            self.after_others = True
        else:
            self.expect(connection, text)
            if self.starts_tls.pop(number, False) and re.search(r"OK|^220", text):
                connection.start_tls()

    def expect(self, connection, pattern):
        line = connection.line()
        while not self.names.matches(pattern, line):
            if not self.after_others:
                raise Deviation(f"expected {pattern!r}\n  heard {line[:500]!r}")
            line = connection.line()
        self.after_others = False

    def direct(self, path, text):
        verb, _, rest = text.partition(" ")
        number = int(rest) if rest.isdigit() else 1
        if verb == "include":
            self.play(path.parent / rest)
        elif verb == "tls":
            self.with_tls = True
        elif verb == "close":
            self.connections.pop(number).stream.close()
        elif verb == "ended":
            if not self.connections[number].has_ended():
                raise Deviation("the connection has not ended")
        else:
            raise NotForServers(text)

    def end(self):
        for connection in self.connections.values():
            connection.stream.close()


def main():
    host, _, port = sys.argv[1].rpartition(":")
    failed = 0
    for name in sys.argv[2:]:
        player = Player((host, int(port)))
        try:
            player.play(Path(name))
            print(f"played {name}")
        except NotForServers as direction:
            print(f"left out {name}: ! {direction}")
        except Deviation as fault:
            print(f"FAILED {fault}")
            failed += 1
        finally:
            player.end()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
