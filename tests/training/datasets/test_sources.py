"""Files are taken from the user's folders if they are there, else fetched; a wrong one is never used."""

from __future__ import annotations

import gzip
import hashlib
import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastopt.errors import DataError
from fastopt.training.datasets import fetch, images, load
from fastopt.training.datasets.sources import Source, read

from .own_files import one_line, written
from .test_idx import idx_bytes

CONTENTS = {"a.bin": b"first file", "b.bin": bytes(300_000)}


def source(*urls: str, contents: dict[str, bytes] = CONTENTS, name: str = "tiny") -> Source:
    sums = {file: hashlib.sha256(content).hexdigest() for file, content in contents.items()}
    return Source(name, sums, urls, "https://example.org/tiny")


def filled(folder: Path, contents: dict[str, bytes] = CONTENTS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in contents.items():
        written(folder, file, content)
    return folder


@pytest.fixture(autouse=True)
def no_folder(monkeypatch):
    monkeypatch.delenv("FASTOPT_DATA", raising=False)


@pytest.fixture
def closed(server) -> str:
    """The address of a server that is down."""
    other = type(server)(server.folder / "closed")
    other.close()
    return other.url


@pytest.mark.parametrize("subfolder", [".", "tiny"])
@pytest.mark.parametrize("named_by", ["argument", "environment"])
def test_files_in_a_folder_are_taken_and_nothing_is_fetched(server, tmp_path, monkeypatch, named_by, subfolder):
    filled(server.folder)
    filled(tmp_path / "mine" / subfolder)
    if named_by == "environment":
        monkeypatch.setenv("FASTOPT_DATA", str(tmp_path / "mine"))
    assert read(source(server.url), tmp_path / "mine" if named_by == "argument" else None) == [*CONTENTS.values()]
    assert not server.asked
    assert not (tmp_path / "cache").exists()


def test_the_argument_comes_before_the_environment_and_the_subfolder_before_the_folder(tmp_path, monkeypatch):
    filled(tmp_path / "mine" / "tiny")
    filled(tmp_path / "mine", dict.fromkeys(CONTENTS, b"of another data set"))
    monkeypatch.setenv("FASTOPT_DATA", str(filled(tmp_path / "wrong", dict.fromkeys(CONTENTS, b"damaged"))))
    assert read(source("http://x/"), tmp_path / "mine") == [*CONTENTS.values()]


def test_what_is_missing_is_fetched_once_and_then_comes_from_the_cache(server, tmp_path):
    filled(server.folder)
    assert read(source(server.url), None) == [*CONTENTS.values()]
    assert server.asked == ["/a.bin", "/b.bin"]
    assert sorted(path.name for path in (tmp_path / "cache" / "fastopt" / "tiny").iterdir()) == ["a.bin", "b.bin"]
    assert read(source(server.url), None) == [*CONTENTS.values()]
    assert len(server.asked) == 2


def test_only_what_is_missing_in_the_folder_is_fetched(server, tmp_path):
    filled(server.folder)
    written(filled(tmp_path / "mine", {}), "a.bin", CONTENTS["a.bin"])
    assert read(source(server.url), tmp_path / "mine") == [*CONTENTS.values()]
    assert server.asked == ["/b.bin"]


def test_a_cached_file_that_was_damaged_is_fetched_again(server, tmp_path):
    filled(server.folder)
    filled(tmp_path / "cache" / "fastopt" / "tiny", dict.fromkeys(CONTENTS, b"damaged"))
    assert read(source(server.url), None) == [*CONTENTS.values()]
    assert len(server.asked) == 2


def test_the_next_url_is_asked_where_one_fails(server, closed):
    filled(server.folder)
    assert read(source(closed, server.url + "nowhere/", server.url), None) == [*CONTENTS.values()]


def test_a_fetched_file_with_a_wrong_sum_is_refused_and_not_kept(server, tmp_path):
    filled(server.folder, dict.fromkeys(CONTENTS, b"another"))
    with pytest.raises(DataError, match=r"fetching a\.bin failed \(127.*another SHA-256 sum\)") as raised:
        read(source(server.url), None)
    assert one_line(raised)
    assert list((tmp_path / "cache" / "fastopt" / "tiny").iterdir()) == []


def test_a_server_that_is_down_gives_one_line_that_says_what_to_put_where(closed, capfd):
    with pytest.raises(DataError, match="no connection, ConnectionError") as raised:
        read(source(closed), None)
    message = str(raised.value)
    assert one_line(raised)
    assert message.startswith('"tiny" needs a.bin, b.bin; fetching a.bin failed')
    assert f"put the files (from {closed}) into one folder" in message
    assert "data_dir (--data-dir) or the environment variable FASTOPT_DATA" in message
    assert capfd.readouterr().err == ""


def test_a_machine_without_a_network_says_where_it_looked_and_names_only_what_is_missing(tmp_path):
    written(filled(tmp_path / "mine", {}), "a.bin", CONTENTS["a.bin"])
    with pytest.raises(DataError, match=r'needs b\.bin, not in ".*mine" or its subfolder tiny; .*ProxyError') as raised:
        read(source("http://data.example.org/"), tmp_path / "mine")
    assert one_line(raised)


def test_a_file_that_no_server_has_is_told_with_its_status(server):
    with pytest.raises(DataError, match="HTTP status 404"):
        read(source(server.url), None)


def test_an_answer_that_is_cut_off_is_refused(server, monkeypatch):
    filled(server.folder)

    def cut(handler, content, connection):
        connection.write(content.read(1000))

    monkeypatch.setattr(server.handler, "copyfile", cut)
    with pytest.raises(DataError, match=r"b\.bin failed .*(no connection|another SHA-256 sum)"):
        read(source(server.url), None)


def test_a_server_that_keeps_silent_is_given_up(server, monkeypatch):
    monkeypatch.setattr(fetch, "_TIMEOUT_S", 0.2)
    monkeypatch.setattr(server.handler, "do_GET", lambda handler: server.released.wait(10))
    with pytest.raises(DataError, match=r"no answer in 0\.2 s"):
        read(source(server.url), None)
    server.released.set()


def test_a_cache_folder_that_cannot_be_made_is_told(server, tmp_path, monkeypatch):
    filled(server.folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(written(tmp_path, "file", "")))
    with pytest.raises(DataError, match=r"cannot store a\.bin in .*Not a directory") as raised:
        read(source(server.url), None)
    assert one_line(raised)


@pytest.mark.parametrize("named_by", ["data_dir", "FASTOPT_DATA"])
def test_a_folder_that_was_named_and_is_none_is_refused(tmp_path, monkeypatch, named_by, server):
    filled(server.folder)
    nowhere = str(tmp_path / "nowhere")
    if named_by == "FASTOPT_DATA":
        monkeypatch.setenv("FASTOPT_DATA", nowhere)
    with pytest.raises(DataError, match=f'{named_by} is ".*nowhere", which is no folder'):
        read(source(server.url), nowhere if named_by == "data_dir" else None)
    assert not server.asked


def test_a_truncated_file_in_the_folder_is_refused_with_both_sums(tmp_path):
    filled(tmp_path / "mine")
    written(tmp_path / "mine", "a.bin", CONTENTS["a.bin"][:-1])
    expected = r'mine/a\.bin" \(9 bytes\) has SHA-256 \w{64}, expected \w{64}; fetch it again from http://x/'
    with pytest.raises(DataError, match=expected) as raised:
        read(source("http://x/"), tmp_path / "mine")
    assert one_line(raised)


def test_mnist_is_read_from_what_was_fetched(server, monkeypatch):
    labels = {"train": range(10), "t10k": range(5)}
    contents = {}
    for part, numbers in labels.items():
        contents[f"{part}-images-idx3-ubyte.gz"] = gzip.compress(idx_bytes((len(numbers), 2, 2)))
        contents[f"{part}-labels-idx1-ubyte.gz"] = gzip.compress(idx_bytes((len(numbers),)))
    filled(server.folder, contents)
    monkeypatch.setattr(images, "MNIST", source(server.url, contents=contents, name="mnist"))
    data = load("mnist")
    assert len(server.asked) == 4
    assert data.labels.tolist() == [*range(10), *range(5)]
    assert [part.size for part in (data.train, data.validation, data.test)] == [9, 1, 5]
    assert np.array_equal(data.features[10], np.float32([0, 1, 2, 3]) / np.float32(255))


PROGRAM = """
import sys
from fastopt.training.datasets.sources import Source, read
read(Source("tiny", {"b.bin": sys.argv[2]}, (sys.argv[1],), "page"), None)
"""


def test_a_terminal_sees_a_progress_bar_and_a_pipe_does_not(server, tmp_path):
    filled(server.folder)
    command = [sys.executable, "-c", PROGRAM, server.url, hashlib.sha256(CONTENTS["b.bin"]).hexdigest()]
    plain = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "NO_COLOR")}

    def environment(cache: str) -> dict[str, str]:
        return plain | {"XDG_CACHE_HOME": str(tmp_path / cache), "TERM": "xterm", "COLUMNS": "120"}

    piped = subprocess.run(command, env=environment("one"), stderr=subprocess.PIPE, check=True, timeout=120)
    ours, theirs = pty.openpty()
    try:
        subprocess.run(command, env=environment("two"), stderr=theirs, check=True, timeout=120)
        seen = os.read(ours, 1 << 16)
    finally:
        os.close(ours)
        os.close(theirs)
    assert b"300.0/300.0 kB" in seen
    assert piped.stderr == b""
