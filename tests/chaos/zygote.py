"""`python -m tests.chaos.zygote SOCKET`: the program, ready to go, which forks a process for every run of it.

Python and the libraries take half a second to load, and a sweep runs the program thousands of times. Whoever connects
to the socket sends one line of JSON, a `Request`; the answers are a line with the process id, and one with what the
process ended with (as `subprocess` says it). The process is the program as `python -m reconciler` enters it, in the
directory, with the environment, arguments and files it was asked for. It ends when its standard input does.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fcntl import LOCK_SH, flock
from importlib import import_module
from pathlib import Path

from tests.chaos.shim import KINDS, How, Strike, arm

LATER = (
    *("httpx._transports.default", "httpcore._backends.anyio", "httpcore._backends.sync", "anyio._backends._asyncio"),
    *("encodings.idna", "stringprep", "networkx", "sqlite3", "psycopg", "psycopg_binary", "obstore", "obstore.store"),
)
"""What the program imports when it is needed, besides its own modules."""


@dataclass(frozen=True)
class Request:
    directory: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    out: str
    """The files that standard output and standard error go to."""
    err: str
    gate: str = ""
    """A file that the run writes one byte to when it is ready, and whose lock it then waits for before it begins."""
    report: str = ""
    """Where the shim is to report; it is not armed if empty."""
    number: int = 0
    how: int = How.COUNT
    error: str = ""
    kinds: Sequence[str] = KINDS

    def struck(self, strike: Strike, report: str) -> Request:
        how = {"number": strike.number, "how": strike.how, "error": strike.error, "kinds": strike.kinds}
        return replace(self, report=report, **how)

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


def serve(listener: socket.socket) -> Request:
    """Returns in every process that is to be a run, and never in this one."""
    # The children that watch runs are nobody's to wait for.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        if 0 in ready and not os.read(0, 1):
            # And whoever was forked from here.
            os.killpg(0, signal.SIGKILL)
        if listener not in ready:
            continue
        asker, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            return _watched(asker)
        asker.close()


def _watched(asker: socket.socket) -> Request:
    with asker, asker.makefile("rb") as lines:
        request = Request(**json.loads(lines.readline()))
        pid = os.fork()
        if pid == 0:
            return request
        asker.sendall(f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        asker.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)


def become(request: Request) -> None:
    """Whatever `python -m reconciler` would find at its start."""
    os.chdir(request.directory)
    os.environ.clear()
    os.environ.update(request.environment)
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, request.out, os.O_WRONLY | os.O_CREAT | os.O_APPEND),
        (2, request.err, os.O_WRONLY | os.O_CREAT | os.O_APPEND),
    ):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.path[0] = request.directory
    sys.argv[1:] = request.arguments
    if request.gate:
        with Path(request.gate).open("ab", buffering=0) as gate:
            gate.write(b".")
            flock(gate, LOCK_SH)
    if request.report:
        strike = Strike(request.number, How(request.how), request.error, tuple(request.kinds))
        arm(strike, Path(request.report))


def enter(request: Request) -> None:
    """Through the very door of `python -m reconciler`, and out again."""
    try:
        runpy.run_module("reconciler", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if request.report:
            raise
        # Where no call is counted, the interpreter isn't taken apart: it was shared, and would have to be copied first.
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code if isinstance(ended.code, int) else 0)


def load() -> None:
    import reconciler

    found = [module.name for module in pkgutil.walk_packages(reconciler.__path__, "reconciler.")]
    for name in [*found, *LATER]:
        if name != "reconciler.__main__":
            import_module(name)


if __name__ == "__main__":
    load()
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(sys.argv[1])
        listening.listen(64)
        print("ready", flush=True)
        wanted = serve(listening)
    become(wanted)
    enter(wanted)
