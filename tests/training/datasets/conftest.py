"""Real data where FASTOPT_DATA names it, a server that is on this machine, and no way to any other."""

from __future__ import annotations

import functools
import os
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fastopt.training.datasets import Dataset, load


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    """Every request but to this machine goes to a port where nobody listens; the cache folder is empty."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def folder_of(name: str, *files: str) -> Path:
    """The folder with the real files of a data set."""
    root = os.environ.get("FASTOPT_DATA")
    for folder in (Path(root) / name, Path(root)) if root else ():
        if all((folder / file).is_file() for file in files):
            return folder
    pytest.skip(f"FASTOPT_DATA names no folder with the files of {name}")


@pytest.fixture(scope="session")
def fashion_folder() -> Path:
    return folder_of("fashion-mnist", "train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")


@pytest.fixture(scope="module")
def fashion(fashion_folder) -> Dataset:
    return load("fashion-mnist", data_dir=fashion_folder)


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    return load("mnist", data_dir=folder_of("mnist", "train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"))


@pytest.fixture(scope="session")
def adult_folder() -> Path:
    return folder_of("a9a", "adult.trn.bz2", "adult.tst.bz2")


@pytest.fixture(scope="session")
def housing_folder() -> Path:
    return folder_of("california-housing", "housing.tgz")


class Server:
    """Serves the files of a folder on this machine; `asked` are the paths that were asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked = folder, []
        folder.mkdir()
        asked = self.asked

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                super().do_GET()

            def log_message(self, *ignored):
                pass

        self.handler = Handler
        self.released = threading.Event()  # for a test whose server keeps silent
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/"
        self._thread = threading.Thread(target=self._http.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def server(tmp_path):
    running = Server(tmp_path / "served")
    yield running
    running.close()
