"""Every command that the README shows runs as it stands there."""

import os
import re
import shlex
import subprocess
import sys
from functools import reduce
from pathlib import Path

from tests.conftest import ROOT

SECTION = (ROOT / "README.md").read_text().split("## On the command line")[1].split("\n## ")[0]
COMMANDS = [line.split("#")[0].strip() for line in re.findall(r"^    (python -m .+)$", SECTION, re.MULTILINE)]
QUICK = {"--samples 1000": "--samples 12", "--model ltae --folds 5": "--model ltae --folds 5 --epochs 1"}  # the same, sooner done


def test_the_readme_shows_commands_of_all_three_parts():
    assert {command.split()[2] for command in COMMANDS} == {"data", "labeling", "modeling"}
    assert len(COMMANDS) >= 9


def shards_of_its_own(home: Path) -> None:
    """New collections lie in this workspace's own folder, beside links to those shared with other tests."""
    shared = (home / "patches").resolve()
    (home / "patches").unlink()
    for folder in shared.iterdir():
        link = home / "patches" / folder.name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(folder)


def test_every_command_of_the_readme_runs_in_its_order(demo):
    shards_of_its_own(demo.home)
    environment = os.environ | {"CROPCHECK_HOME": str(demo.home)}
    for command in COMMANDS:
        changes = [*QUICK.items(), ("workspace/", f"{demo.home}/")]
        words = shlex.split(reduce(lambda text, pair: text.replace(*pair), changes, command))
        result = subprocess.run([sys.executable, *words[1:]], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"{command}\n{result.stderr}"
        assert result.stdout.strip(), command
        assert "Traceback" not in result.stderr
