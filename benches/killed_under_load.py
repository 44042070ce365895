#!/usr/bin/env python3
"""Kills `crossfold serve` again and again under load and during erasures, and counts.

    cargo build --release
    benches/killed_under_load.py target/release/crossfold --rounds 50

Every round posts events from three callers, erases two users, and kills the server (SIGKILL) at
a random moment. In the end every acknowledged event is sent again: it must be known (a duplicate)
or refused as its user was erased (`erased_user`), and none may be new. Then a run trains, and
every acknowledged erasure must be complete. Ends with 1 when a promise is broken.

With `--full DIRECTORY`, on a small file system of its own, the disk is full for part of every
round, and only every other round ends with a kill: the server must then go on by itself.

    mount -t tmpfs -o size=48m tmpfs /mnt/small
    benches/killed_under_load.py target/release/crossfold --rounds 20 --full /mnt/small
"""

import argparse
import contextlib
import errno
import json
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

USERS, ITEMS, BATCH = 200, 40, 20


class Server:
    def __init__(self, binary, directory):
        self.binary, self.directory = binary, directory
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = None

    def start(self):
        command = [self.binary, "--data-dir", str(self.directory), "serve", "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        for _ in range(400):
            try:
                return self.call("GET", "/v1/domains")
            except OSError:
                time.sleep(0.05)
        sys.exit("the server does not start")

    def end(self, how):
        self.process.send_signal(how)
        return self.process.wait()

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            data=data,
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or "null")


def event(event_id):
    return {
        "event_id": event_id,
        "user_id": f"u{random.randrange(USERS)}",
        "type": "view",
        "item_id": f"i{random.randrange(ITEMS)}",
        "occurred_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


class Disk:
    """A small file system that is filled and freed; nothing when there is none."""

    def __init__(self, directory):
        self.ballast = pathlib.Path(directory) / "ballast" if directory else None

    @contextlib.contextmanager
    def full(self):
        if self.ballast is None:
            yield
            return
        with open(self.ballast, "wb", buffering=0) as ballast:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while True:
                        ballast.write(bytes(size))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
            yield
        self.free()

    def free(self):
        if self.ballast is not None:
            self.ballast.unlink(missing_ok=True)


class Round:
    def __init__(self, server, number, disk):
        self.server, self.number, self.disk, self.is_over = server, number, disk, False
        self.acknowledged, self.erased, self.refused = [], [], 0

    def post(self, caller):
        batch = 0
        while not self.is_over:
            events = [event(f"{self.number}-{caller}-{batch}-{at}") for at in range(BATCH)]
            batch += 1
            try:
                answer = self.server.call("POST", "/v1/events", {"domain": "films", "events": events})
            except OSError:
                self.refused += 1
                continue
            refused = {rejected["index"] for rejected in answer["rejected"]}
            self.acknowledged += [e for at, e in enumerate(events) if at not in refused]

    def erase(self):
        time.sleep(random.random() / 2)
        try:
            path = f"/v1/users/u{random.randrange(USERS)}?domain=films"
            self.erased.append(self.server.call("DELETE", path)["pseudonym"])
        except OSError:
            pass

    def run(self):
        is_killed = self.disk.ballast is None or self.number % 2 == 0
        callers = [threading.Thread(target=self.post, args=(caller,)) for caller in range(3)]
        callers += [threading.Thread(target=self.erase) for _ in range(2)]
        for caller in callers:
            caller.start()
        time.sleep(0.2 + random.random() * 0.4)
        with self.disk.full():
            time.sleep(0.2 + random.random() * 0.4)
            if is_killed:
                self.server.end(signal.SIGKILL)
        if not is_killed:
            time.sleep(0.5)
        self.is_over = True
        for caller in callers:
            caller.join()
        if is_killed:
            self.server.start()


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("binary")
    arguments.add_argument("--rounds", type=int, default=50)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--full", metavar="DIRECTORY")
    arguments = arguments.parse_args()
    random.seed(arguments.seed)
    disk = Disk(arguments.full)
    with tempfile.TemporaryDirectory(dir=arguments.full) as directory:
        directory = pathlib.Path(directory) / "data"
        server = Server(arguments.binary, directory)
        server.start()
        server.call("PUT", "/v1/domains/films", {
            "name": "Films", "currency": "EUR", "event_types": {"view": {"weight": 1}},
        })
        items = [{"item_id": f"i{number}", "title": "t"} for number in range(ITEMS)]
        server.call("POST", "/v1/domains/films/items", {"items": items})
        acknowledged, erased, refused = [], [], 0
        for number in range(arguments.rounds):
            part = Round(server, number, disk)
            part.run()
            acknowledged += part.acknowledged
            erased += part.erased
            refused += part.refused
        counts = {"duplicates": 0, "new": 0, "of erased users": 0, "refused otherwise": 0}
        for start in range(0, len(acknowledged), 500):
            events = acknowledged[start:start + 500]
            answer = server.call("POST", "/v1/events", {"domain": "films", "events": events})
            counts["duplicates"] += answer["duplicates"]
            counts["new"] += answer["accepted"]
            for rejected in answer["rejected"]:
                is_erased = rejected["code"] == "erased_user"
                counts["of erased users" if is_erased else "refused otherwise"] += 1
        status = server.end(signal.SIGTERM)
        train = [arguments.binary, "--data-dir", str(directory), "train", "--no-tune"]
        subprocess.run(train, check=True, stdout=subprocess.DEVNULL)
        server.start()
        finished = 0
        for pseudonym in erased:
            answer = server.call("GET", f"/v1/erasures/{pseudonym}?domain=films")
            finished += "finished_at" in answer
        server.end(signal.SIGTERM)
    print(f"{refused} batches refused or broken off")
    print(f"{arguments.rounds} rounds, {len(acknowledged)} acknowledged events sent again: {counts}")
    print(f"{finished} of {len(erased)} acknowledged erasures complete; SIGTERM ended with {status}")
    broken = counts["new"] + counts["refused otherwise"] + len(erased) - finished + status
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
