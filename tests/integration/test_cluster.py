"""A whole cluster on this machine (deploy/cluster): what was acknowledged is there whoever is killed, mail flows without
etcd, and replicas go where they should be by themselves."""
import os
import random
import re
import smtplib
import imaplib
import subprocess
import time

import pytest

from aviso import BIN, ROOT

PATIENCE = 90


class Cluster:
    def __init__(self, folder, nodes, **environment):
        self.net = f"127.{random.randrange(1, 255)}.{random.randrange(255)}"
        self.folder = folder
        self.environment = {**os.environ, "AVISO_BIN": str(BIN), "AVISO_CLUSTER": str(folder), "AVISO_NET": self.net,
                            "AVISO_NODES": str(nodes), "AVISO_SHARDS": "6", **environment}
        self.sent = 0

    def run(self, *words):
        done = subprocess.run([ROOT / "deploy/cluster", *words], env=self.environment, timeout=300, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def command(self, *words):
        return subprocess.run([BIN / "aviso", "cluster", *words, "--config", self.folder / "router.yaml"], text=True,
                              timeout=60, capture_output=True)

    def shards(self):
        """Of each shard the nodes, and who leads."""
        found = {}
        for line in self.command("status").stdout.splitlines():
            if match := re.match(r"shard (\d+) +([^>]*?)( +->.*)?$", line):
                nodes = match[2].split()
                leader = [int(node[:-1]) for node in nodes if node.endswith("*")]
                found[int(match[1])] = ({int(re.match(r"\d+", node)[0]) for node in nodes},
                                        leader[0] if leader else None, "(learns)" in match[2] or bool(match[3]))
        return found

    def number(self, name):
        return int((self.folder / name / "node_number").read_text())

    def await_shards(self, is_right):
        end = time.monotonic() + PATIENCE
        while not is_right(self.shards()):
            assert time.monotonic() < end, self.command("status").stdout
            time.sleep(0.5)

    def send(self, frontend):
        """One message, which counts once it is acknowledged."""
        with smtplib.SMTP(f"{self.net}.{frontend + 1}", 2525, timeout=60) as client:
            client.sendmail("you@example.net", ["ann@example.org", "bob@example.org"],
                            f"Subject: {self.sent}\r\n\r\nHello!\r\n")
        self.sent += 1

    def subjects(self, frontend, user):
        with imaplib.IMAP4(f"{self.net}.{frontend + 1}", 2143, timeout=60) as client:
            client.login(user, "demo")
            client.select("INBOX", readonly=True)
            _, answer = client.fetch("1:*", "BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
            return [int(part[1].split()[1]) for part in answer if isinstance(part, tuple)]

    def check(self):
        """All that was acknowledged, once, in its order, at both front ends."""
        for frontend in (1, 2):
            for user in ("ann@example.org", "bob@example.org"):
                assert self.subjects(frontend, user) == list(range(self.sent))


@pytest.fixture
def make_cluster(tmp_path):
    made = []

    def make(nodes=3, **environment):
        made.append(Cluster(tmp_path / "cluster", nodes, **environment))
        made[-1].run()
        return made[-1]

    yield make
    for cluster in made:
        cluster.run("stop")
        faults = [line for log in cluster.folder.glob("*.log") for line in log.read_text().splitlines()
                  if re.search("check failed|Sanitizer|runtime error", line)]
        cluster.run("remove")
        assert not faults


def all_led(shards):
    return all(leader for _, leader, _ in shards.values())


def test_mail_outlives_each_storage_node(make_cluster):
    cluster = make_cluster()
    for name in ("storage1", "storage2", "storage3"):
        cluster.send(1)
        cluster.run("kill", name)
        cluster.send(2)
        cluster.check()
        cluster.run("start", name)
        cluster.await_shards(lambda shards: len(shards) == 6 and all_led(shards))
    cluster.check()


def test_mail_flows_without_etcd(make_cluster):
    cluster = make_cluster()
    cluster.send(1)
    cluster.run("kill", "etcd")
    cluster.send(2)
    time.sleep(12)  # leases are over
    cluster.send(1)
    cluster.run("kill", "storage2")
    cluster.send(2)
    cluster.check()
    cluster.run("start", "etcd")
    cluster.run("start", "storage2")
    cluster.await_shards(lambda shards: len(shards) == 6 and all_led(shards))
    cluster.send(1)
    cluster.check()


def test_lost_node_is_replaced(make_cluster):
    cluster = make_cluster(nodes=4, AVISO_REPLACE_AFTER="10s")
    lost = cluster.number("storage2")
    cluster.send(1)
    cluster.run("kill", "storage2")
    cluster.send(2)
    cluster.await_shards(lambda shards: all(len(nodes) == 3 and lost not in nodes and not moves
                                            for nodes, _, moves in shards.values()))
    cluster.send(1)
    cluster.check()


def test_drained_node_is_empty_and_not_missed(make_cluster):
    cluster = make_cluster(nodes=4)
    drained = cluster.number("storage3")
    cluster.send(1)
    assert cluster.command("drain", "1").returncode == 3
    assert cluster.command("drain", str(drained)).returncode == 0
    cluster.await_shards(lambda shards: all(len(nodes) == 3 and drained not in nodes and not moves
                                            for nodes, _, moves in shards.values()))
    cluster.run("kill", "storage3")
    cluster.send(2)
    cluster.check()
    cluster.run("start", "storage3")
    assert cluster.command("undrain", str(drained)).returncode == 0
    cluster.await_shards(lambda shards: any(drained in nodes for nodes, _, _ in shards.values()))
    cluster.check()


def test_operator_moves_a_replica_and_says_who_leads(make_cluster):
    cluster = make_cluster(nodes=4)
    cluster.run("kill", "router")  # the placer would tidy up behind
    cluster.await_shards(lambda shards: len(shards) == 6 and not any(moves for _, _, moves in shards.values()))
    cluster.send(1)
    nodes, leader, _ = cluster.shards()[1]
    free = ({cluster.number(f"storage{i}") for i in range(1, 5)} - nodes).pop()
    moved = (nodes - {leader}).pop()
    assert cluster.command("move", "1", str(free), str(free)).returncode == 3
    assert cluster.command("move", "1", str(moved), str(leader)).returncode == 4
    assert cluster.command("move", "1", str(moved), str(free)).returncode == 0
    cluster.await_shards(lambda shards: shards[1][0] == nodes - {moved} | {free} and not shards[1][2])
    assert cluster.command("lead", "1", str(moved)).returncode == 3
    assert cluster.command("lead", "1", str(free)).returncode == 0
    cluster.await_shards(lambda shards: shards[1][1] == free)
    cluster.send(2)
    cluster.check()


def test_cluster_is_founded_once(make_cluster):
    cluster = make_cluster()
    assert cluster.command("init").returncode == 4
    assert cluster.command("nonsense").returncode == 2
