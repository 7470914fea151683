"""A server of ``earlystop watch`` in a process of its own, to be talked to and killed."""

import json
import signal
import subprocess
import sys
import threading

import requests


class Server:
    """The command with some words; it has its address once it is made."""

    def __init__(self, folder, *words, port=0):
        self.folder = folder
        code = "from earlystop_lab.cli import main; main()"
        command = ["watch", *map(str, words), "-o", str(folder), "--port", str(port)]
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.first = self.process.stdout.readline()
        if not self.first.startswith("http"):
            raise RuntimeError(self.process.communicate()[1])
        self.url = self.first.split("/ shows")[0]
        self.port = int(self.url.rsplit(":", 1)[1])
        # whatever it says goes on being read, so that it never waits for that
        self.said = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.session = requests.Session()

    def _read(self):
        self.said.append(self.process.stderr.read())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()

    def post(self, epoch, *, run=None, **metrics):
        """As ``RemoteMonitor`` posts the form."""
        data = {"data": json.dumps({"epoch": epoch, **metrics})}
        return self.session.post(self.url + publish(run), data=data, timeout=10)

    def get(self, path, **params):
        return self.session.get(self.url + path, params=params, timeout=10)

    def runs(self):
        return {run["run"]: run for run in self.get("/api/runs").json()["runs"]}

    def run(self, name):
        return self.get("/api/run", name=name).json()

    def kill(self):
        """As the kernel does it: nothing more runs in the server."""
        self._end(signal.SIGKILL)

    def interrupt(self):
        """Control-C; the exit code, and what it said on stderr."""
        self._end(signal.SIGINT)
        return self.process.returncode, self.said[0]

    def _end(self, kind):
        self.session.close()
        self.process.send_signal(kind)
        self.process.wait(timeout=20)
        self._reader.join()
        self.process.stdout.close()
        self.process.stderr.close()


def publish(run=None):
    return "/publish/epoch/end/" if run is None else f"/runs/{run}/publish/epoch/end/"
