"""All files of an export as one archive: read by Python, Info-ZIP and Java, or visibly incomplete."""

import hashlib
import subprocess
import zipfile
import pytest

import archive_readers
import bodies
import evidence
import raw_servers
from client import ended_deliveries, poll
from raw_upstream import Source

ZIP = {"Accept": "application/zip"}

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

    # Read once at the most, nothing is confirmed: lengths and checksums stand behind the files.
    for read in (*archive_readers.OF_FILES, *archive_readers.OF_ANY_STREAM):
        assert read(archive) == files, read.__name__
    figure(f"{len(files)} files in {archive.stat().st_size} bytes")

    (delivery,) = ended_deliveries(lambda: gateway.get(f"{export['href']}/deliveries"))
    assert delivery["coding"] == "zip" and delivery["outcome"] == "whole" and "fileId" not in delivery
    assert delivery["bytesSent"] == archive.stat().st_size
    assert delivery["fileBytes"] == sum(size for _, size in files.values())
    # Each on its own is the same.
    for file in export["files"]:
        got = gateway.download(file["href"])
        assert (got.sha256, got.size) == files[file["name"]]


def test_what_is_confirmed_is_read_from_a_stream_too(gateway, upstream, case):
    """Two readings that agree: length and checksum stand before each file, and every program takes it from a pipe."""
    export, files = case
    for _ in range(2):
        for file in export["files"]:
            assert gateway.download(file["href"]).sha256 == files[file["name"]][0]
    poll("the files are confirmed", lambda: all(
        file.get("sizeState") == file.get("digestState") == "confirmed" for file in gateway.export(export)["files"]
    ))  # fmt: skip
    status, archive, fields = fetched(gateway, f"{export['href']}/content")
    assert status == 0 and int(fields["content-length"]) == archive.stat().st_size
    for read in (*archive_readers.OF_FILES, *archive_readers.OF_ANY_STREAM, *archive_readers.OF_TOLD_STREAMS):
        assert read(archive) == files, read.__name__
    head = gateway.call("HEAD", f"{export['href']}/content", ZIP)
    assert head.headers["content-length"] == fields["content-length"]


def test_one_file_is_an_archive_of_one(gateway, upstream):
    export = gateway.succeeded(gateway.create(bodies.paginated_csv()))
    (file,) = upstream.jobs()[0]["files"]
    path = f"{export['href']}/content"
    status, archive, _ = fetched(gateway, path)
    assert status == 0
    assert list(archive_readers.by_python(archive).values()) == [(file["sha256"], file["size"])]
    # What one delivery brought is not vouched for; a second one that agrees is what makes it "not modified".
    claimed = gateway.call("HEAD", path, ZIP).headers["etag"]
    assert gateway.call("GET", path, ZIP | {"If-None-Match": claimed}).status == 200
    # A download is stored after its last byte was sent: the client may have it before.
    poll("the file is confirmed", lambda: gateway.export(export)["files"][0].get("digestState") == "confirmed")
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
        for read in (archive_readers.by_python, archive_readers.by_unzip, archive_readers.by_java):
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
