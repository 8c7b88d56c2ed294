"""The check of the documentation lets good articles be, and finds a link that leads nowhere."""

import subprocess

import evidence


def check(root, text):
    catalog = root / "Sources/App/Server/Documentation.docc"
    catalog.mkdir(parents=True, exist_ok=True)
    (catalog / "First.md").write_text(text)
    (catalog / "Second.md").write_text("# The second\n\nAs it stands in <doc:First>.\n")
    run = subprocess.run([evidence.ROOT / "Tests/documentation", root], capture_output=True, text=True, timeout=120)
    assert run.stderr == ""
    return run.returncode, run.stdout


def test_articles_without_a_warning_pass(tmp_path):
    assert check(tmp_path, "# The first\n\nMore is in <doc:Second>.\n") == (
        0,
        "documentation: 1 catalogs, 0 with problems\n",
    )


def test_a_warning_is_found(tmp_path):
    code, output = check(tmp_path, "# The first\n\nMore is in <doc:Third>.\n")
    assert code == 1
    assert "'Third' doesn't exist" in output
