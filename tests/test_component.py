"""Registration by file, choice by name, refusals with the reason, and imports that stay light."""

import subprocess
import sys

import pytest

from memfactory_core.component import FAMILIES, kinds
from memfactory_core.config import load, recipes
from memfactory_core.errors import ConfigError


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_library_and_listing_parts_loads_no_torch():
    heavy = python(
        "import sys, memfactory_core.config as c\n"
        "from memfactory_core.component import FAMILIES, kinds\n"
        "[kinds(f) for f in FAMILIES]; c.load('memagent-tiny')\n"
        "print([m for m in ('torch', 'transformers', 'trl', 'lancedb', 'streamlit') if m in sys.modules])"
    )
    assert heavy == "[]"


@pytest.mark.parametrize("family", FAMILIES)
def test_every_kind_has_a_summary_and_help_for_each_setting(family):
    for kind, part in kinds(family).items():
        assert part.summary(), kind
        missing = [name for name, field in part.model_fields.items() if not field.description]
        assert not missing, f"{kind}: no docstring under {missing}"


@pytest.mark.parametrize("name", recipes())
def test_recipes_survive_toml(name, tmp_path):
    values = ["task.path=x.json"] if "path" in recipes()[name].read_text() else []
    config = load(name, values)
    (tmp_path / "again.toml").write_text(config.to_toml())
    assert load(str(tmp_path / "again.toml")) == config


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("paradigm.retriever=bm26", "no retrievers called 'bm26'; known:"),
        ("training.steps=0", "training.steps: Input should be greater than or equal to 1"),
        ("paradigm.nonsense=1", "paradigm.nonsense: Extra inputs are not permitted"),
        ("reward.niceness=1", "no score called 'niceness'; known:"),
        ("reward.x.kind=lenght", "x: no rewards called 'lenght'; known:"),
        ("reward.x.weight=1", "x: no rewards called 'x'; known:"),
        ("reward.length.most=-1", "length.most: Input should be greater than or equal to 0"),
        ("reward.exact_match.most=1", "exact_match.most: Extra inputs are not permitted"),
        ("reward.exact_match=nan", "exact_match.weight: Input should be a finite number"),
        ("reward.exact_match=true", "'exact_match' wants a weight, or a part such as {kind = "),
        ("reward.f1.kind=length", "'f1' is a measure of its own: call the part of kind 'length'"),
        ("reward.reward.kind=length", "a score cannot be called 'reward'"),
        ('reward={"a/b": {"kind": "length"}}', "a score cannot be called 'a/b'"),
        ("reward.judge=1", "reward.judge needs a judge while a policy is trained: set roles.judge"),
        ('paradigm.store={"kind": "verbatim"}', "no stores called 'verbatim'"),
        ("policy=scripted", "cannot be trained"),
        ("evaluation.seed=0", "choose another, examples must be held out"),
        ("task", "--set wants a.b=value"),
    ],
)
def test_bad_settings_are_refused_in_one_line(assignment, message):
    with pytest.raises(ConfigError) as refusal:
        load("memagent-tiny", [assignment])
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_unknown_and_broken_recipes_name_the_file(tmp_path):
    with pytest.raises(ConfigError, match="no recipe called 'memagnet'; known: .*memagent-tiny"):
        load("memagnet")
    broken = tmp_path / "broken.toml"
    broken.write_text("name = \n")
    with pytest.raises(ConfigError, match=r"broken\.toml: .*line 1"):
        load(str(broken))
