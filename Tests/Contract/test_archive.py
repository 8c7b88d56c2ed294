"""All files of an export as one archive: read by Python, Info-ZIP and Java, or visibly incomplete."""

import hashlib
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

import bodies
import evidence
import raw_servers
from client import poll
from raw_upstream import Source

ZIP = {"Accept": "application/zip"}

READER = Path(__file__).with_name("readers") / "ZipReader.java"


@pytest.fixture
def case(gateway, upstream):
    """An export with several files, and what the sandbox has of them, by name."""
    export = gateway.succeeded(gateway.create(bodies.search_result()))
    (job,) = upstream.jobs()
    files = {file["name"]: (file["sha256"], file["size"]) for file in job["files"]}
    assert len(files) > 1
    return export, files


def fetched(gateway, path: str, headers: dict | None = None):
    """The archive in a file that the leak test leaves alone, and the answer's header fields."""
    target = evidence.directory("archive") / "body"
    head = target.with_name("head")
    arguments = [word for name, value in (ZIP | (headers or {})).items() for word in ("-H", f"{name}: {value}")]
    result = subprocess.run(
        gateway.curl("--fail", "-o", str(target), "-D", str(head), *arguments, gateway.address + path),
        capture_output=True,
        text=True,
    )
    fields = dict(line.lower().split(": ", 1) for line in head.read_text().splitlines()[1:] if ": " in line)
    return result.returncode, target, fields


def test_every_program_reads_the_same_files(gateway, case, figure):
    export, files = case
    status, archive, fields = fetched(gateway, f"{export['href']}/content", {"Accept-Encoding": "gzip"})
    assert status == 0
    assert fields["content-type"] == "application/zip" and "content-encoding" not in fields
    assert fields["vary"] == "accept, accept-encoding"
    if all("size" in file for file in export["files"]):
        assert int(fields["content-length"]) == archive.stat().st_size

    for read in (read_by_python, read_by_unzip, read_by_java):
        assert read(archive) == files, read.__name__
    figure(f"{len(files)} files in {archive.stat().st_size} bytes")

    (delivery,) = poll("the delivery", lambda: gateway.get(f"{export['href']}/deliveries").json["value"])
    assert delivery["coding"] == "zip" and delivery["outcome"] == "whole" and "fileId" not in delivery
    assert delivery["bytesSent"] == archive.stat().st_size
    assert delivery["fileBytes"] == sum(size for _, size in files.values())
    # Each on its own is the same.
    for file in export["files"]:
        got = gateway.download(file["href"])
        assert (got.sha256, got.size) == files[file["name"]]


def read_by_python(path) -> dict:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        infos = archive.infolist()
        assert all(info.compress_type == zipfile.ZIP_STORED for info in infos)
        return {info.filename: (hashlib.sha256(archive.read(info)).hexdigest(), info.file_size) for info in infos}


def read_by_unzip(path) -> dict:
    test = subprocess.run(["unzip", "-tqq", path], capture_output=True, text=True)
    assert test.returncode == 0 and not test.stdout and not test.stderr, (test.stdout, test.stderr)
    target = path.with_name("unpacked")
    subprocess.run(["unzip", "-qq", path, "-d", target], check=True)
    contents = {each.name: each.read_bytes() for each in target.iterdir()}
    shutil.rmtree(target)
    return {name: (hashlib.sha256(content).hexdigest(), len(content)) for name, content in contents.items()}


def read_by_java(path) -> dict:
    # Compiled and run at once; the fast start matters more than fast code.
    command = ["java", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", READER, path]
    result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
    assert result.returncode == 0, result.stderr
    lines = [line.split(" ", 2) for line in result.stdout.splitlines()]
    return {name: (digest, int(size)) for digest, size, name in lines}


def test_one_file_is_an_archive_of_one(gateway, upstream):
    export = gateway.succeeded(gateway.create(bodies.paginated_csv()))
    (file,) = upstream.jobs()[0]["files"]
    path = f"{export['href']}/content"
    status, archive, _ = fetched(gateway, path)
    assert status == 0
    assert list(read_by_python(archive).values()) == [(file["sha256"], file["size"])]
    head = gateway.call("HEAD", path, ZIP)
    assert head.status == 200 and head.headers["content-type"] == "application/zip" and head.body == b""
    again = gateway.call("GET", path, ZIP | {"If-None-Match": head.headers["etag"]})
    assert again.status == 304 and again.headers["etag"] == head.headers["etag"]
    # The file's own tag is another one, and so is what it names.
    plain = gateway.call("HEAD", path)
    assert plain.headers["content-type"] == "application/octet-stream"
    assert plain.headers["etag"] != head.headers["etag"] and plain.headers["vary"] == "Accept, Accept-Encoding"


def test_several_files_without_the_wish_are_a_choice(gateway, case):
    export, files = case
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "application/zip;q=0"}):
        problem = gateway.call("GET", f"{export['href']}/content", accept).problem(409, "several-files")
        assert len(problem["files"]) == len(files) and "application/zip" in problem["detail"]


@pytest.mark.parametrize("fault", ["cutDownload", "shortDownload"])
def test_a_file_that_breaks_leaves_an_archive_that_nobody_takes_for_whole(gateway, upstream, case, fault):
    export, _ = case
    # The first file is served well; the others break, however often they are asked for.
    kind = {"kind": fault, "afterBytes": 1000} if fault == "cutDownload" else {"kind": fault, "missingBytes": 10}
    first = gateway.download(export["files"][0]["href"])
    assert first.size > 0
    upstream.rule("graph.download", kind)
    status, archive, _ = fetched(gateway, f"{export['href']}/content")
    if status == 22:  # The very first bytes were refused: a problem document.
        return
    assert status in (18, 56), "curl: partial file, or a reset"
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(archive)


HOSTILE = [
    "../../../etc/passwd", "C:\\boot.ini", "/etc/shadow", "..", "", "same.csv", "SAME.csv", "same.csv", "nul", "a/b/../c.csv",
    "Zwölf Boxkämpfer ☕️.pdf", "\u202egpj.exe.csv", "x" * 300 + ".csv", ".bashrc", "tab\tnew\nline.csv",
]  # fmt: skip


@pytest.mark.parametrize("framing", ["fixed", "chunked"])
def test_hostile_names_unpack_into_their_own_folder(framing):
    contents = [f"{number},".encode() * (number * 997) for number in range(1, len(HOSTILE) + 1)]
    contents = [b"%PDF-1.7 " + content if name.endswith("pdf") else content for name, content in zip(HOSTILE, contents)]
    sources = [
        Source(content, name=name, framing=framing, tells_size=False) for name, content in zip(HOSTILE, contents)
    ]
    with raw_servers.pair() as pair:
        href = pair.export(sources)
        status, archive, fields = fetched(pair.gateway, f"{href}/content")
        assert status == 0
        # Nothing told the lengths of all files before they were opened.
        assert "content-length" not in fields
        wanted = sorted((hashlib.sha256(content).hexdigest(), len(content)) for content in contents)
        for read in (read_by_python, read_by_unzip, read_by_java):
            found = read(archive)
            assert sorted(found.values()) == wanted, read.__name__
            assert len({name.lower() for name in found}) == len(HOSTILE)
            for name in found:
                assert name not in ("", ".", "..") and not set(name) & set('/\\:\n\t\u202e"<>|?*'), name
                assert len(name.encode()) <= 160
        # Read once, the lengths are known: the same archive, with its length announced where the upstream tells it.
        again, second, fields = fetched(pair.gateway, f"{href}/content")
        assert again == 0 and second.read_bytes() == archive.read_bytes()
        if framing == "fixed":
            assert int(fields["content-length"]) == second.stat().st_size
