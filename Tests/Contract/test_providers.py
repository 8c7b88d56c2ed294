"""The check of what a provider touches finds a file that leaves one out, and code elsewhere that names one."""

import subprocess

import pytest

import evidence

ARTICLE = """# Adding a provider

## Outside its folders

| file | what |
|---|---|
| `Sources/App/List.swift` | Its line. |

## Tests
"""

FILES = {
    "Sources/App/GatewayServer/Documentation.docc/Adding-a-Provider.md": ARTICLE,
    "Sources/App/List.swift": "let all = [OneThing.self, Other.self]\n",
    "Sources/App/Free.swift": "/// Such as OneThing.\nlet id = settings.id  // one-thing, or another\n",
    "Sources/Providers/ProviderConformance/Suite.swift": "",
    "Sources/Providers/OneThing/OneThingDescriptor.swift": 'id: ProviderID("one-thing"),\noptionsMember: "oneOptions",\n',
    "Sources/Providers/Other/OtherDescriptor.swift": 'id: ProviderID("second"),\noptionsMember: "secondOptions",\n',
    "Sources/Sandbox/MicrosoftSandbox/OneThing/OneThingService.swift": "struct OneThingService {}\n",
    "Sources/Sandbox/MicrosoftSandbox/Other/OtherService.swift": "struct OtherService {}\n",
}


def check(root, changes):
    """What the check says of a project with two providers."""
    for name, text in (FILES | changes).items():
        if text is not None:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
    run = subprocess.run([evidence.ROOT / "Tests/providers", root], capture_output=True, text=True, timeout=60)
    assert run.stderr == ""
    return run.returncode, run.stdout


def test_providers_that_own_themselves_pass(tmp_path):
    assert check(tmp_path, {}) == (0, "providers: 2, each in 1 files outside its folders\n0 problems\n")


def test_a_fifth_file_outside_its_folders_is_found(tmp_path):
    article = "Sources/App/GatewayServer/Documentation.docc/Adding-a-Provider.md"
    row = "| `Sources/App/List.swift` | Its line. |\n"
    code, output = check(tmp_path, {article: ARTICLE.replace(row, row * 5)})
    assert code == 1
    assert "lists 5 files" in output


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"Sources/App/List.swift": "let all = [OneThing.self]\n"}, "Sources/App/List.swift: has nothing of Other"),
        ({"Sources/App/Free.swift": "case oneThing\n"}, "Sources/App/Free.swift: names OneThing"),
        ({"Sources/App/Free.swift": 'case "second"\n'}, "Sources/App/Free.swift: names Other"),
        ({"Sources/App/Free.swift": 'body["secondOptions"]\n'}, "Sources/App/Free.swift: names Other"),
        (
            {"Sources/Sandbox/MicrosoftSandbox/Other/OtherService.swift": None},
            "Sources/Sandbox/MicrosoftSandbox/Other: does not exist",
        ),
        (
            {"Sources/Upstream/EntraIdentity/TokenAudience.swift": "let names = 1\n"},
            "Sources/Upstream/EntraIdentity/TokenAudience.swift: is an exception, and names no provider",
        ),
    ],
)
def test_what_is_elsewhere_is_found(tmp_path, changes, problem):
    code, output = check(tmp_path, changes)
    assert code == 1
    assert problem in output.splitlines()
