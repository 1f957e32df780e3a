# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""A relay that makes a loopback connection slow, for kernels without netem: slow_relay.py TARGET DELAY RATE.

It prints the port on which it listens. Each direction has its own delay (seconds) and rate (bytes per second); as on a
real link a byte waits for those before it, and what is in flight is bounded by what the link holds.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from collections import deque

PIECE = 16384


class Direction(threading.Thread):
    """Bytes from one socket to the other, late."""

    def __init__(self, source: socket.socket, target: socket.socket, delay: float, rate: float) -> None:
        super().__init__(daemon=True)
        self._source, self._target, self._delay, self._rate = source, target, delay, rate
        self._flight: deque[tuple[float, bytes]] = deque()
        self._most = int(rate * delay / PIECE) + 64
        self._change = threading.Condition()

    def run(self) -> None:
        threading.Thread(target=self._deliver, daemon=True).start()
        free = time.monotonic()
        with contextlib.suppress(OSError):
            while True:
                data = self._source.recv(PIECE)
                free = max(free, time.monotonic()) + len(data) / self._rate
                with self._change:
                    while len(self._flight) > self._most:
                        self._change.wait()
                    self._flight.append((free + self._delay, data))
                    self._change.notify_all()
                if not data:
                    return

    def _deliver(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                with self._change:
                    while not self._flight:
                        self._change.wait()
                    due, data = self._flight.popleft()
                    self._change.notify_all()
                time.sleep(max(due - time.monotonic(), 0))
                if not data:
                    self._target.shutdown(socket.SHUT_WR)
                    return
                self._target.sendall(data)


def main() -> None:
    target, delay, rate = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        near, _ = listener.accept()
        far = socket.create_connection(("127.0.0.1", target))
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Direction(near, far, delay, rate).start()
        Direction(far, near, delay, rate).start()


if __name__ == "__main__":
    main()
