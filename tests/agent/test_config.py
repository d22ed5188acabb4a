"""The agent's configuration: what is wrong with it is said at once, and all of it."""

from pathlib import Path

import pytest

from portal.errors import Invalid
from rollout.agent.config import load
from tests.live import ROOT

GOOD = """
name = "alpha-1"
state = "/var/lib/agent"
[portal]
url = "https://portal.example.org/"
token = "rgp_x"
[installation]
integration_root = "~/opencode"
runs_root = "/runs"
[cli]
command = ["bun", "cli.ts"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "agent.toml"
    path.write_text(text)
    return path


def test_what_is_left_out_has_a_default(tmp_path):
    config = load(written(tmp_path, GOOD))

    assert config.portal.url == "https://portal.example.org"
    home = Path("~/opencode").expanduser()
    assert config.installation.settings_file == home / "settings.json"
    assert (config.drive.is_on, config.disable_on_stop) == (False, True)


def test_the_example_is_a_good_one(tmp_path):
    example = (ROOT / "docs/how-to/agent.example.toml").read_text()
    token = tmp_path / "token"
    token.write_text("rgp_x\n")
    with_token = example.replace("/etc/rollout-agent/token", str(token))
    every_key = with_token.replace("\n# ", "\n").split("\n")
    keys = [line for line in every_key if line.startswith("[") or " = " in line]

    found = load(written(tmp_path, "\n".join(keys)))

    shown = load(written(tmp_path, with_token))
    assert (found.drive, found.every) == (shown.drive, shown.every)
    assert found.dead_man_limit_s == shown.dead_man_limit_s
    assert found.portal.token == "rgp_x"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('name = "alpha-1"', "", "name is missing"),
        ('"alpha-1"', '"a b"', "name has to be"),
        ('"/var/lib/agent"', '"var"', "state has to be an absolute path"),
        ("https://portal", "ftp://portal", "portal.url has to be"),
        ("https://", "https://u:p@", "portal.url has to be"),
        ('token = "rgp_x"', "", "either token or token_file"),
        ('token = "rgp_x"', 'token_file = "/nowhere"', "token_file cannot be read"),
        ('"rgp_x"', '"schlüssel"', "the token has to be"),
        ('["bun", "cli.ts"]', '"bun cli.ts"', "cli.command has to be a list"),
        ('["bun", "cli.ts"]', "[]", "cli.command has to be a list"),
        ("[cli]", "[drive]\nis_on = 1\n[cli]", "drive.is_on has to be true or false"),
        ("[cli]", '[drive]\ndriver = "bus"\n[cli]', "drive.driver has to be task or"),
        ("[cli]", "[every]\nsettings_s = 0\n[cli]", "every.settings_s has to be"),
        ("[cli]", "[every]\nsettings_s = 90\n[cli]", "dead_man_limit_s has to be"),
        ("[cli]", "[every]\nsettings_s = nan\n[cli]", "every.settings_s has to be"),
        ("[cli]", "[cli]\ncomand = 1", "cli.comand is not known"),
        ("[cli]", "[clo]\n[cli]", "clo is not known"),
        ("[cli]", "[cli", "is no TOML"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, old, new, says):
    path = written(tmp_path, GOOD.replace(old, new, 1))

    with pytest.raises(Invalid) as refused:
        load(path)

    assert says in str(refused.value)
    assert "\n" not in str(refused.value).removesuffix("\n") or "TOML" in says


def test_all_mistakes_are_named_together(tmp_path):
    with pytest.raises(Invalid) as refused:
        load(written(tmp_path, "[portal]\n"))

    for key in ("name", "state", "portal.url", "installation.runs_root", "cli.command"):
        assert f"{key} is missing" in str(refused.value)
