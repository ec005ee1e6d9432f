"""The ledger: an append-only file behind a TCP socket that takes and gives one JSON value per line.

`python -m bench_journal.server FILE` prints the port it took. Every batch becomes one block, made durable by one fsync.
"""

import hashlib
import json
import os
import secrets
import socketserver
import sys
import threading


class Journal:
    """Blocks in memory and on disk. `changed` guards both."""

    def __init__(self, path):
        self.name = secrets.token_hex(8)
        self.file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        self.blocks = []
        self.known = set()
        self.changed = threading.Condition()

    def append(self, entries):
        """One answer per entry: "" when it is in the journal now, else why not."""
        with self.changed:
            answers, fresh = [], {}
            for entry in entries:
                tx_id = hashlib.sha256(entry.encode()).hexdigest()
                try:
                    json.loads(entry)
                    answers.append("")
                    if tx_id not in self.known:
                        fresh[tx_id] = entry
                except ValueError:
                    answers.append("malformed")
            if fresh:
                self.known.update(fresh)
                os.write(self.file, "".join(entry + "\n" for entry in fresh.values()).encode())
                os.fsync(self.file)
                self.blocks.append(list(fresh))
                self.changed.notify_all()
            return answers

    def after(self, height):
        """Blocks above `height`, the first of which has height 1; waits a moment if there are none."""
        with self.changed:
            self.changed.wait_for(lambda: len(self.blocks) > height, timeout=0.25)
            return self.blocks[height:]


class Handler(socketserver.StreamRequestHandler):
    """One connection, any number of requests."""

    def handle(self):
        """Answer line by line until the client goes."""
        journal = self.server.journal
        for line in self.rfile:
            match json.loads(line):
                case ["append", entries]:
                    answer = journal.append(entries)
                case ["after", height]:
                    answer = journal.after(height)
                case ["head"]:
                    answer = [journal.name, len(journal.blocks)]
            self.wfile.write(json.dumps(answer).encode() + b"\n")


class Server(socketserver.ThreadingTCPServer):
    """A thread per connection; they end with the process."""

    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    with Server(("127.0.0.1", 0), Handler) as server:
        server.journal = Journal(sys.argv[1])
        print(server.server_address[1], flush=True)
        server.serve_forever()
