"""A folder is measured while another thread makes and removes what lies in it."""

import shutil
import threading

from memfactory_core.models.folder import look_at_files, measure_folder


def test_what_vanishes_meanwhile_is_left_out(tmp_path):
    (tmp_path / "stays").mkdir()
    (tmp_path / "stays" / "a").write_bytes(b"x" * 100)
    ended = threading.Event()

    def churn():
        while not ended.is_set():
            for number in range(20):
                inner = tmp_path / f"tracker-{number}" / "deep"
                inner.mkdir(parents=True)
                (inner / "b").write_bytes(b"y")
            for number in range(20):
                shutil.rmtree(tmp_path / f"tracker-{number}")

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        sizes = [measure_folder(tmp_path) for _ in range(300)]
    finally:
        ended.set()
        thread.join()
    assert min(sizes) >= 100 and max(sizes) <= 120
    assert measure_folder(tmp_path) == 100 and len(list(look_at_files(tmp_path))) == 1


def test_no_folder_has_no_files(tmp_path):
    assert measure_folder(tmp_path / "none") == 0
