"""Keys: read only where declared, sent only to their hosts, never across a redirect, and kept nowhere."""

import gzip
import json
import tomllib

import pytest
import tomli_w
from pydantic import ValidationError

from memfactory_core import config
from memfactory_core.endpoint import ChatEndpoint
from memfactory_core.endpoint.address import check_address, has_credentials, hide_credentials
from memfactory_core.endpoint.keys import DECLARED, read_key
from memfactory_core.errors import ConfigError, MemFactoryError, PolicyError
from memfactory_core.policies.api import Api
from memfactory_core.rewards.judge import Judge
from memfactory_core.runs import database, jobs
from memfactory_core.runs.archive import export_run, import_run
from memfactory_core.runs.sweeps import parse_grid
from memfactory_core.runs.worker import work
from tests.endpoint import says, serving
from tests.processes import memfactory
from tests.runs.test_jobs import SCRIPTED

KEY = "sk-planted-0123456789abcdef"
QUESTION = [{"role": "user", "content": "q"}]


@pytest.fixture
def keyed(monkeypatch):
    """Both keys are in the environment, and none is declared beyond the default."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OTHER_SECRET", KEY)
    monkeypatch.delenv(DECLARED, raising=False)
    return monkeypatch


def ask(url, variable="OPENAI_API_KEY"):
    return ChatEndpoint(url, "m", variable, 5).chat(QUESTION, 8, 0.0).text


@pytest.mark.parametrize(
    ("declared", "url", "sent"),
    [
        ("", "https://api.openai.com/v1", True), ("", "http://127.0.0.1:8000/v1", True),
        ("", "http://localhost/v1", True), ("", "http://[::1]:80/v1", True),
        ("", "https://API.OPENAI.COM./v1", True), ("", "http://api.openai.com/v1", False),
        ("", "https://api.openai.com.evil.example/v1", False), ("", "https://evil.example/v1", False),
        ("", "https://evilapi.openai.com/v1", False), ("", "http://0.0.0.0:8000/v1", False),
        ("", "https://localhost.evil.example/v1", False),
        ("OPENAI_API_KEY=one.example", "https://one.example:9/v1", True),
        ("OPENAI_API_KEY=one.example", "http://one.example/v1", False),
        ("OPENAI_API_KEY=http://one.example:8000", "http://one.example:8000/v1", True),
        ("OPENAI_API_KEY=http://one.example:8000", "http://one.example:8001/v1", False),
        ("OPENAI_API_KEY=one.example", "https://api.openai.com/v1", False),
        ("OPENAI_API_KEY=one.example:443", "https://one.example/v1", True),
        ("OPENAI_API_KEY=one.example:8443", "https://one.example/v1", False),
        (" OPENAI_API_KEY = one.example , two.example ; B=c", "https://two.example/v1", True),
        ("OPENAI_API_KEY=[fe80::1]:8443", "https://[fe80::1]:8443/v1", True),
        ("OPENAI_API_KEY=localhost:8000", "http://127.0.0.1:8000/v1", True),
        ("OPENAI_API_KEY=localhost:8000", "http://127.0.0.1:8001/v1", False),
        ("B=one.example", "https://one.example/v1", False),
    ],
)  # fmt: skip
def test_a_key_goes_to_the_hosts_that_are_declared_for_it(keyed, declared, url, sent):
    keyed.setenv(DECLARED, declared)
    assert read_key("OPENAI_API_KEY", url) == (KEY if sent else "")


def test_a_variable_that_is_no_key_is_not_read(keyed):
    with serving(lambda body, key: says(str(key))) as url:
        assert ask(url) == "Bearer ***"
        with pytest.raises(PolicyError, match="OTHER_SECRET is not declared as a key") as refused:
            ask(url, "OTHER_SECRET")
        assert f"{DECLARED}='OTHER_SECRET={url[7:-3]}'" in str(refused.value)
        assert KEY not in str(refused.value)
        for part in (
            Api(url=url, key_variable="PATH"),
            Judge(model="m", base_url=url, key_variable="PATH"),
        ):
            with pytest.raises(PolicyError, match="PATH is not declared as a key"):
                part.load()
        assert ask(url, "") == "None"
        keyed.setenv(DECLARED, "OTHER_SECRET=127.0.0.1")
        assert ask(url, "OTHER_SECRET") == "Bearer ***"


def test_a_host_without_permission_is_asked_without_the_key_and_the_refusal_says_so(keyed):
    seen = []

    def closed(body, key):
        seen.append(key)
        return 401, {"error": "who are you?"}

    with serving(closed) as url:
        keyed.setenv(DECLARED, "OPENAI_API_KEY=api.openai.com")
        with pytest.raises(PolicyError, match=f"answered 401.*{DECLARED} does not allow"):
            ask(url)
        keyed.delenv(DECLARED)
        keyed.setenv("OPENAI_API_KEY", " ")
        with pytest.raises(PolicyError, match="no key was sent: OPENAI_API_KEY is empty"):
            ask(url)
    assert seen == [None, None]


def test_a_key_that_an_endpoint_repeats_is_taken_out_of_all_it_says(keyed):
    bodies = [
        (200, {"choices": [{"message": {"content": KEY, "reasoning": f"I saw {KEY}."}}]}),
        (500, {"error": "x" * 280 + KEY}),  # what is shown ends in the middle of it
        (200, {KEY: 1}),
    ]
    with serving(lambda body, key: bodies.pop(0)) as url:
        said = ChatEndpoint(url, "m", "OPENAI_API_KEY", 5).chat(QUESTION, 8, 0.0)
        assert (said.text, said.thinking) == ("***", "I saw ***.")
        for _ in range(2):
            with pytest.raises(PolicyError) as told:
                ask(url)
            assert "planted" not in str(told.value) and KEY[:6] not in str(told.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(keyed, status):
    seen = []

    def elsewhere(body, key):
        seen.append(key)
        return says("redirected")

    with (
        serving(elsewhere) as other,
        serving(lambda body, key: (status, {"location": f"{other}/chat/completions"})) as url,
    ):
        with pytest.raises(
            PolicyError, match=f"answered {status}: a redirect, which is not followed"
        ):
            ask(url)
    assert seen == []


def test_a_proxy_reads_no_unencrypted_key(keyed):
    passed = []

    def proxy(body, key):
        passed.append(key)
        return says("proxied")

    with serving(proxy) as through, serving(lambda body, key: says("direct")) as url:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            keyed.setenv(name, through.removesuffix("/v1"))
        keyed.delenv("no_proxy", raising=False)
        assert ask(url) == "direct"
    assert passed == []


@pytest.mark.parametrize(
    "key", [f"{KEY}\nX-More: 1", f"{KEY} x", f"{KEY}é", f"{KEY}\ud800", "\x00" + KEY]
)
def test_a_key_that_no_header_carries_is_not_repeated(keyed, key):
    keyed.setattr("os.environ", {"OPENAI_API_KEY": key})
    with serving(lambda body, key: says("never")) as url:
        with pytest.raises(PolicyError, match="the key in OPENAI_API_KEY holds characters") as told:
            ask(url)
    assert KEY not in repr(told.value)


@pytest.mark.parametrize(
    "declared", ["OPENAI_API_KEY", f"={KEY}", "A=b c", "A=", "A=b;=c", "A=http://", "1=a"]
)
def test_a_declaration_that_cannot_be_read_says_how_to_write_it(keyed, declared):
    keyed.setenv(DECLARED, declared)
    with pytest.raises(PolicyError, match="write VARIABLE=host,host:port;VARIABLE2=host") as told:
        ask("http://127.0.0.1:9/v1")
    assert KEY not in str(told.value)


GOOD = [
    "http://127.0.0.1:8000/v1", "https://host.example/v1/", "http://[::1]:8000", "https://a_b.example",
    "HTTPS://host.example/openai/v1",
]  # fmt: skip
BAD = [
    f"http://user:{KEY}@host/v1", f"https://{KEY}@host/v1", f"http://user:{KEY}@127.0.0.1",
    f"http://host/v1@{KEY}", f"http://host\\@{KEY}/v1", f"user:{KEY}@host", f"ftp://{KEY}",
    f"http://host/v1?api_key={KEY}", f"http://host/v1#{KEY}", f"http://host /{KEY}", f"http://{KEY}\n",
    f"http:///{KEY}", f"http://host:port/{KEY}", f"http://host:99999/{KEY}", f"http://h%6fst/{KEY}",
    f"http://höst/{KEY}", f"http://[::1/{KEY}", f"http://user:{KEY}%40host@x", KEY, "",
]  # fmt: skip


def test_addresses_of_endpoints():
    for url in GOOD:
        assert check_address(url) == url
    for url in BAD:
        with pytest.raises(ValueError) as told:
            check_address(url)
        assert KEY not in str(told.value)


def refused(values_or_assignments, source="memagent-tiny"):
    with pytest.raises(ConfigError) as told:
        config.load(source, values_or_assignments)
    assert KEY not in str(told.value)
    return str(told.value)


@pytest.mark.parametrize("url", BAD)
def test_a_key_in_an_address_is_refused_everywhere_and_not_repeated(tmp_path, url):
    api = ["mode=evaluate", "policy=api"]
    assert "policy.url" in refused([*api, f"policy.url={json.dumps(url)}"])
    judged = f"evaluation.judge={json.dumps({'model': 'm', 'base_url': url})}"
    assert "judge.base_url" in refused([judged])
    if len(url.split()) == 1 and url == url.strip() and url != KEY:
        assert "judge" in refused([f"evaluation.judge={json.dumps('m ' + url)}"])
    values = config.load("memagent-tiny", api).dump()
    values["policy"]["url"] = url
    recipe, record = tmp_path / "recipe.toml", tmp_path / "run.json"
    recipe.write_text(tomli_w.dumps(config._without_none(values)))
    record.write_text(json.dumps({"config": values}))
    assert tomllib.loads(recipe.read_text())["policy"]["url"] == url
    assert "policy.url" in refused([], str(recipe)) and "policy.url" in refused([], str(record))


@pytest.mark.parametrize(
    "assignment",
    [f"name=http://u:{KEY}@h", f"about=see http://u:{KEY}@h/x", f"evaluation.judge=http://u:{KEY}@h",
     f"policy.model=https://{KEY}@h", f"task.path=s3://u:{KEY}@bucket", f"reward.http://{KEY}@x=1",
     f"policy.key_variable={KEY}", f"evaluation.judge.key_variable={KEY}", f"name.x=http://u:{KEY}@h",
     f"policy.url http://u:{KEY}@h", f"name.http://u:{KEY}@h=1"],
)  # fmt: skip
def test_a_key_in_any_other_setting_is_refused_and_not_repeated(assignment):
    model = ["evaluation.judge.model=m"] if assignment.startswith("evaluation.judge.") else []
    refused(["mode=evaluate", "policy=api", *model, assignment])


def test_a_grid_and_a_part_alone_do_not_repeat_it():
    with pytest.raises(ConfigError) as told:
        parse_grid([f"http://u:{KEY}@h"])
    assert KEY not in str(told.value)
    with pytest.raises(ValidationError, match="before @"):
        Api(url=f"http://u:{KEY}@h/v1")
    assert hide_credentials(f"got  'http://u:{KEY}@h/v1' twice") == "got  ***@h/v1' twice"
    assert not has_credentials("see https://host.example/@name and a@b.example")


def test_an_imported_run_with_a_key_in_an_address_is_refused(lab, tmp_path):
    run = work(lab, jobs.create(lab, config.load("memagent-tiny", SCRIPTED)).id)
    folder = export_run(lab, run, tmp_path / "bundle")
    record = json.loads((folder / "run.json").read_text())
    record["config"]["policy"] = {"kind": "api", "url": f"http://u:{KEY}@127.0.0.1:9/v1"}
    record["run"] |= {"id": "0101-000000-0000", "config": json.dumps(record["config"])}
    (folder / "run.json").write_text(json.dumps(record))
    with pytest.raises(MemFactoryError, match="policy.url holds a name or a key before @") as told:
        jobs.start(lab, import_run(lab, folder))
    assert KEY not in str(told.value)


@pytest.mark.parametrize("reply", ["answers", "fails", "refuses"])
def test_a_planted_key_is_nowhere_after_a_run(tmp_path, keyed, reply):
    """The endpoint repeats the key in all it says; the judge does so too."""
    seen = set()

    def repeats(body, key):
        seen.add(key)
        if reply == "answers":
            return says(f"\\boxed{{{key}}}\nCORRECT")
        return {"fails": 500, "refuses": 401}[reply], {"error": f"wrong key {key}: {KEY}"}

    with serving(repeats) as url:
        settings = [
            *SCRIPTED[:1], *SCRIPTED[2:], "policy=api", f"policy.url={url}", "evaluation.examples=2",
            "evaluation.judge.model=m", f"evaluation.judge.base_url={url}",
        ]  # fmt: skip
        words = [word for setting in settings for word in ("--set", setting)]
        done = memfactory("eval", "memagent-tiny", *words, MEMFACTORY_RUNS=str(tmp_path / "runs"))
        keyed.setenv("MEMFACTORY_RUNS", str(tmp_path / "runs"))
        [run] = database.list_runs(database.connect(jobs.database_url()))
        exported = memfactory("export", run.id, str(tmp_path / "exported"))
    assert exported.returncode == 0, exported.stderr
    assert seen == {f"Bearer {KEY}"}
    assert (run.state == "finished") is (reply == "answers"), done.stderr
    assert KEY not in done.stdout + done.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"memfactory.db", "run.json"} <= {path.name for path in files}
    for path in files:
        content = path.read_bytes()
        held = gzip.decompress(content) if path.suffix == ".gz" else content
        assert KEY.encode() not in held, path
