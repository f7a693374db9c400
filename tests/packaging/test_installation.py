"""The built wheel works away from the checkout: in an empty environment, from an empty folder, in a browser."""

import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from app.shell.pages import ADDRESSES, PAGES
from tests.browser.talking import take_first_offer
from tests.packaging.installation import (
    ROOT,
    build_wheel,
    copy_tracked,
    install,
    lab_at_work,
    run,
    tracked_files,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not (ROOT / ".git").exists() or not shutil.which("git"),
        reason="not a git checkout: what belongs to the project is not known",
    ),
]
STATES = "[data-testid=stApp][data-test-script-state=notRunning]"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel that comes out of the source distribution, so that both hold everything."""
    folder = tmp_path_factory.mktemp("wheel")
    copy_tracked(folder / "clone")
    code = f"import setuptools.build_meta as build; build.build_sdist({str(folder)!r})"
    run([sys.executable, "-c", code], cwd=folder / "clone")
    (packed,) = folder.glob("*.tar.gz")
    with tarfile.open(packed) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    return build_wheel(source, folder)


@pytest.fixture(scope="module")
def memfactory(wheel, tmp_path_factory):
    """The command `memfactory` of an empty environment that holds the wheel."""
    return install(wheel, tmp_path_factory.mktemp("stranger") / "environment")


def test_the_wheel_holds_all_that_git_tracks_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    rooms = ("app/", "memfactory_core/", "pages/")
    tracked = {name for name in tracked_files() if name.startswith(rooms)}
    assert held == {name.replace("pages/", "app/installed_pages/", 1) if name.startswith("pages/")
                    else name for name in tracked}  # fmt: skip


def test_the_installed_package_is_not_the_checkout(memfactory, tmp_path):
    code = "import app, memfactory_core; print(app.__file__, memfactory_core.__file__)"
    for path in run([memfactory.parent / "python", "-c", code], cwd=tmp_path).split():
        assert Path(path).is_relative_to(memfactory.parents[1])


def test_the_command_line_away_from_the_checkout(memfactory, tmp_path):
    assert "memagent" in run([memfactory, "kinds"], cwd=tmp_path)
    small = ["--set", "evaluation.examples=4", "--set", "evaluation.samples=1"]
    for policy in (["--set", "policy=scripted"], []):  # without it: the weights that are inside
        done = json.loads(
            run([memfactory, "eval", "memagent-tiny", *policy, *small, "--json"], cwd=tmp_path)
        )
        assert done["state"] == "finished"
        assert done["scores"]["after"]["greedy/exact_match"]["n"] == 4
    assert len(list((tmp_path / "runs").glob("*/run.json"))) == 2


@pytest.mark.browser
def test_every_page_and_the_chat_away_from_the_checkout(memfactory, tmp_path, page):
    with lab_at_work([memfactory, "lab"], tmp_path) as url:
        for name, (title, _) in PAGES.items():
            address = "" if name == "overview" else ADDRESSES.get(name, name)
            page.goto(f"{url}/{address}")
            page.locator("h1").first.wait_for()
            page.locator(STATES).wait_for()
            assert page.locator("[data-testid=stException]").count() == 0, title
            assert page.get_by_role("link", name=title).count() >= 1
        chat = page.frame_locator("iframe")  # the last page is the chat
        take_first_offer(chat)
        sidebar = page.get_by_test_id("stSidebar")
        shade = sidebar.evaluate("e => getComputedStyle(e).backgroundColor")
        assert shade == "rgb(244, 246, 246)", "the lab's own colours: .streamlit/config.toml"
        rules = "[...document.styleSheets].flatMap(s => [...s.cssRules]).map(r => r.cssText).join()"
        assert ".mf" in page.evaluate(rules), "the style sheet"


def test_the_launcher_finds_its_environment_from_anywhere(memfactory, tmp_path):
    checkout, elsewhere = tmp_path / "a checkout", tmp_path / "elsewhere"
    checkout.mkdir()
    elsewhere.mkdir()
    shutil.copy(ROOT / "memfactory", checkout)
    (elsewhere / "absolute").symlink_to(checkout / "memfactory")
    (elsewhere / "relative").symlink_to("../a checkout/memfactory")
    (elsewhere / "chained").symlink_to("relative")
    called = [["../a checkout/memfactory"], ["./absolute"], ["./relative"], ["./chained"]]
    for command in called:
        missing = subprocess.run(
            [*command, "kinds"], cwd=elsewhere, capture_output=True, text=True, timeout=60
        )
        assert missing.returncode == 2
        assert f"make -C '{checkout}' setup" in missing.stderr
    (checkout / ".venv").symlink_to(memfactory.parents[1])
    for command in called:
        assert "bm25" in run([*command, "kinds", "retrievers"], cwd=elsewhere)
    wrong = subprocess.run(
        ["./relative", "show", "a run of two words"], cwd=elsewhere, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert wrong.returncode == 2 and "a run of two words" in wrong.stderr
