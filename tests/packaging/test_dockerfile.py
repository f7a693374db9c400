"""The Dockerfile copies what there is, and what it makes serves the lab."""

import os
import shutil

import pytest

from tests.packaging.dockerfile import Image, carry_out, carry_out_command, copy
from tests.packaging.installation import ROOT, answers, lab_at_work, run

git = pytest.mark.skipif(
    not (ROOT / ".git").exists() or not shutil.which("git"),
    reason="not a git checkout: what belongs to the project is not known",
)


@git
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_steps_make_a_lab_that_answers_other_machines(tmp_path):
    image = carry_out(ROOT / "Dockerfile", tmp_path)
    runs = str(image.inside(image.variables["MEMFACTORY_RUNS"]))
    assert os.path.isdir(runs), "the folder that is mounted belongs to the user who writes there"
    at_home = {"MEMFACTORY_RUNS": runs, "MEMFACTORY_PASSWORD": "a long password for the test"}
    program, *arguments = image.command
    assert program == "memfactory" and "0.0.0.0" in arguments
    assert "memagent" in run([image.bin / program, "kinds"], image.inside("."), **at_home)
    with lab_at_work([image.bin / program, *arguments], image.inside("."), **at_home) as url:
        assert answers(url)


def test_a_step_that_cannot_be_done_is_named(tmp_path):
    image = Image(tmp_path)
    (tmp_path / "constraints.txt").write_text("torch==1.0\n")
    image.files.mkdir()
    shutil.copy(tmp_path / "constraints.txt", image.inside("."))
    with pytest.raises(ValueError, match="COPY .streamlit: git tracks nothing"):
        copy(tmp_path, ".streamlit", image.inside("."))
    with pytest.raises(ValueError, match="torch==2.0: constraints.txt does not pin it"):
        carry_out_command(
            image, ["pip", "install", "--constraint", "constraints.txt", "torch==2.0"]
        )
    with pytest.raises(ValueError, match="RUN curl x: this command is not known"):
        carry_out_command(image, ["curl", "x"])
