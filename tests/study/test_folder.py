"""The output folder is a fresh one, and nothing that was there is touched."""

import datetime
from pathlib import Path

import pytest

from fastopt.errors import StoreError
from fastopt.study import folder


def content(root):
    return {path: path.read_bytes() if path.is_file() else None for path in root.rglob("*")}


def refusal(out):
    with pytest.raises(StoreError) as raised:
        folder.claim(str(out), "compare")
    message = str(raised.value)
    assert "\n" not in message
    assert str(out) in message
    assert "--out" in message
    return message


@pytest.fixture
def today(monkeypatch):
    class Date(datetime.date):
        @classmethod
        def today(cls):
            return cls(2026, 2, 3)

    monkeypatch.setattr(folder.datetime, "date", Date)
    return "2026-02-03"


def test_a_new_folder_is_made_with_its_parents(tmp_path):
    out = tmp_path / "a" / "b"
    assert folder.claim(str(out), "compare") == out
    assert list(out.iterdir()) == []


def test_an_empty_folder_is_taken_and_left_empty(tmp_path):
    assert folder.claim(str(tmp_path), "compare") == tmp_path
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["notes.txt", ".hidden", "sub/deep.txt"])
def test_an_occupied_folder_is_refused_and_left_as_it_was(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    before = content(tmp_path)
    assert "occupied" in refusal(tmp_path)
    assert content(tmp_path) == before


def test_a_folder_is_claimed_once_it_holds_something(tmp_path):
    out = folder.claim(str(tmp_path / "out"), "compare")
    (out / "records.sqlite").touch()
    refusal(out)


def test_a_file_is_no_folder(tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    refusal(path)
    refusal(path / "below")
    assert path.read_text() == "mine"


def test_a_link_to_nowhere_is_refused(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    refusal(tmp_path / "link")


def test_a_place_that_cannot_be_written_is_refused():
    # the kernel's own file system takes no new folder, not even from root
    refusal(Path("/proc/self/fastopt"))


def test_without_a_name_folders_are_numbered_within_the_day(tmp_path, monkeypatch, today):
    monkeypatch.chdir(tmp_path)
    assert folder.claim(None, "compare") == Path("reports") / f"compare-{today}-1"
    assert folder.claim(None, "compare") == Path("reports") / f"compare-{today}-2"
    assert folder.claim(None, "bench") == Path("reports") / f"bench-{today}-1"
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == [
        f"bench-{today}-1",
        f"compare-{today}-1",
        f"compare-{today}-2",
    ]


def test_a_number_that_is_taken_is_passed_over_even_by_a_file_or_an_empty_folder(tmp_path, monkeypatch, today):
    monkeypatch.chdir(tmp_path)
    reports = tmp_path / "reports"
    (reports / f"compare-{today}-1").mkdir(parents=True)
    (reports / f"compare-{today}-2").write_text("mine")
    (reports / f"compare-{today}-4").mkdir()
    assert folder.claim(None, "compare").name == f"compare-{today}-3"
    assert folder.claim(None, "compare").name == f"compare-{today}-5"
    assert (reports / f"compare-{today}-2").read_text() == "mine"


def test_a_reports_that_is_a_file_is_refused_with_the_cure(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reports").write_text("mine")
    with pytest.raises(StoreError, match="--out"):
        folder.claim(None, "compare")


# --- whose folder it is


def test_the_settings_of_a_new_study_are_there_whole_while_it_is_held(tmp_path):
    with folder.begun(tmp_path, "seeds = 3\n"):
        assert [path.name for path in tmp_path.iterdir()] == [folder.SETTINGS]
        assert (tmp_path / folder.SETTINGS).read_text() == "seeds = 3\n"
    assert [path.name for path in tmp_path.iterdir()] == [folder.SETTINGS]


def held_already(path):
    with pytest.raises(StoreError, match="another process works in"), folder.resumed(path):
        pass


def test_a_folder_that_is_held_is_held_by_one(tmp_path):
    with folder.begun(tmp_path, ""):
        held_already(tmp_path)
    with folder.resumed(tmp_path):
        held_already(tmp_path)


def test_a_folder_is_let_go_at_the_end_even_of_a_study_that_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), folder.begun(tmp_path, "seeds = 3\n"):
        raise ZeroDivisionError
    with pytest.raises(FileExistsError), folder.resumed(tmp_path):
        raise FileExistsError  # an error of the study's own goes through as it is
    with folder.resumed(tmp_path) as path:
        assert path.read_text() == "seeds = 3\n"


def test_of_two_that_begin_in_one_folder_the_second_is_refused_and_nothing_changes(tmp_path):
    with folder.begun(tmp_path, "seeds = 3\n"):
        before = content(tmp_path)
        with pytest.raises(StoreError, match="occupied"), folder.begun(tmp_path, "seeds = 4\n"):
            pass
        assert content(tmp_path) == before


def test_settings_that_cannot_be_written_are_one_line():
    with pytest.raises(StoreError, match="--out"), folder.begun(Path("/proc/self"), ""):
        pass


@pytest.mark.parametrize("name", [".", "nowhere", "file"])
def test_a_folder_in_which_nothing_was_begun_cannot_be_resumed(tmp_path, name):
    (tmp_path / "file").write_text("mine")
    before = content(tmp_path)
    with pytest.raises(StoreError, match="nothing to resume"), folder.resumed(tmp_path / name):
        pass
    assert content(tmp_path) == before
