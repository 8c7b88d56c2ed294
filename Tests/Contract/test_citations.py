"""The check of citations finds each kind of citation that leads nowhere, and lets good ones be."""

import subprocess

import pytest

import evidence

ARTICLE = """# What is known

## Status

A <doc:Other>, a part of it (<doc:Other#In-short>), and `Other, In short`. <doc:Inner> is in a folder.
"""

GOOD = """
/// As it is documented (`Upstream-Facts, Status`), in all of `Upstream-Facts` and in Upstream-Facts.md.
/// `Upstream-Authorization` is a field; https://example.com/a/page.md#Upstream-Facts is an address.
"""


def check(root, comment):
    """What the check says of a project with one article, one other and one comment."""
    catalog = root / "Sources/App/Server/Documentation.docc"
    (catalog / "Folder").mkdir(parents=True)
    (catalog / "Upstream-Facts.md").write_text(ARTICLE)
    (catalog / "Other.md").write_text("# Other\n\n## In short\n")
    (catalog / "Folder/Inner.md").write_text("# Inner\n\n## Part\n\nBack to <doc:Other>.\n")
    (root / "Sources/App/Server/Server.swift").write_text(comment)
    run = subprocess.run([evidence.ROOT / "Tests/citations", root], capture_output=True, text=True, timeout=60)
    assert run.stderr == ""
    return run.returncode, run.stdout


def test_good_citations_pass(tmp_path):
    code, output = check(tmp_path, GOOD)
    assert (code, output) == (0, "citations: 3, of 3 articles; 0 problems\n")


@pytest.mark.parametrize(
    ("comment", "problem"),
    [
        ("/// `Upstream-Facts, Stadium`", 'the article Upstream-Facts has no section "Stadium"'),
        ("/// `Upstream-Fact, Status`", "there is no article Upstream-Fact"),
        ("/// `Other, At length`", 'the article Other has no section "At length"'),
        ("/// (Upstream-Facts, Status)", "Upstream-Facts is not cited as"),
        ("/// (`Upstream-Facts,\n/// Status`)", "Upstream-Facts is not cited as"),
        ("/// `notes.md` A5", "there is no file notes.md in the repository"),
        ("/// Documentation.docc/Elsewhere.md", "there is no file Documentation.docc/Elsewhere.md in the repository"),
        ("/// `Inner, Whole`", 'the article Inner has no section "Whole"'),
        ("/// <doc:Nowhere>", "there is no article Nowhere"),
        ("/// <doc:Other#At-length>", 'the article Other has no section "At-length"'),
        ("/// [as there](doc:Nowhere)", "there is no article Nowhere"),
    ],
)
def test_a_citation_that_leads_nowhere_is_found(tmp_path, comment, problem):
    code, output = check(tmp_path, comment)
    assert code == 1
    assert f"Sources/App/Server/Server.swift:1: {problem}" in output


def test_a_link_into_another_module_is_found(tmp_path):
    (tmp_path / "Sources/App/Client").mkdir(parents=True)
    (tmp_path / "Sources/App/Client/Client.swift").write_text("/// <doc:Other>")
    code, output = check(tmp_path, GOOD)
    assert code == 1
    assert "Sources/App/Client/Client.swift:1: the article Other belongs to another module" in output
