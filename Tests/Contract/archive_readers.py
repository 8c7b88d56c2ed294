"""Programs that read ZIP archives, from a file or from a stream: each gives what is in an archive, by name."""

import hashlib
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

READERS = Path(__file__).with_name("readers")

# Names to digest and length.
Contents = dict[str, tuple[str, int]]


def by_python(archive: Path) -> Contents:
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        infos = opened.infolist()
        assert all(info.compress_type == zipfile.ZIP_STORED for info in infos)
        return {info.filename: (hashlib.sha256(opened.read(info)).hexdigest(), info.file_size) for info in infos}


def by_unzip(archive: Path) -> Contents:
    test = subprocess.run(["unzip", "-tqq", archive], capture_output=True, text=True)
    assert test.returncode == 0 and not test.stdout and not test.stderr, (test.stdout, test.stderr)
    return _unpacked(["unzip", "-qq", archive, "-d", "."])


def by_java(archive: Path) -> Contents:
    return _lines(["java", *JAVA, READERS / "ZipReader.java", archive])


def by_7zip(archive: Path) -> Contents:
    return _unpacked(["7z", "x", "-y", archive])


def by_bsdtar(archive: Path) -> Contents:
    return _unpacked(["bsdtar", "-xf", archive])


def by_busybox(archive: Path) -> Contents:
    return _unpacked(["busybox", "unzip", "-q", archive])


def by_perl(archive: Path) -> Contents:
    code = "my $zip = Archive::Zip->new; $zip->read($ARGV[0]) == AZ_OK or die; $zip->extractTree == AZ_OK or die"
    return _unpacked(["perl", "-MArchive::Zip=:ERROR_CODES", "-e", code, archive])


def by_bsdtar_as_a_stream(archive: Path) -> Contents:
    return _unpacked(["bsdtar", "-xf", "-"], archive)


def by_perl_as_a_stream(archive: Path) -> Contents:
    code = """
        my $in = IO::Uncompress::Unzip->new("-") or die $UnzipError;
        my $status;
        do {
            open(my $out, ">", $in->getHeaderInfo->{Name}) or die;
            my $block;
            while (($status = $in->read($block)) > 0) { print $out $block }
            die $UnzipError if $status < 0;
        } while (($status = $in->nextStream) > 0);
        die $UnzipError if $status < 0;
    """
    return _unpacked(["perl", "-MIO::Uncompress::Unzip=$UnzipError", "-e", code], archive)


def by_java_as_a_stream(archive: Path) -> Contents:
    return _lines(["java", *JAVA, READERS / "ZipStream.java"], archive)


def by_busybox_as_a_stream(archive: Path) -> Contents:
    return _unpacked(["busybox", "unzip", "-q", "-"], archive)


# Those that go by the central directory.
OF_FILES = (by_python, by_unzip, by_java, by_7zip, by_bsdtar, by_busybox, by_perl)
# Those that take a stream whose members' lengths stand behind them, and those that take one only where they are told before.
OF_ANY_STREAM = (by_bsdtar_as_a_stream, by_perl_as_a_stream)
OF_TOLD_STREAMS = (by_java_as_a_stream, by_busybox_as_a_stream)

# Compiled and run at once; the fast start matters more than fast code.
JAVA = ("-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8")


def _run(command, directory, archive: Path | None) -> str:
    # Through a pipe: a file on standard input can be read at any place, and is no stream.
    feed = subprocess.Popen(["cat", archive], stdout=subprocess.PIPE) if archive else None
    try:
        stream = feed.stdout if feed else subprocess.DEVNULL
        result = subprocess.run(command, stdin=stream, capture_output=True, text=True, cwd=directory, timeout=120)
        assert result.returncode == 0, (command[0], result.stdout[-2000:], result.stderr[-2000:])
        return result.stdout
    finally:
        if feed:
            feed.stdout.close()
            feed.wait()


def _lines(command, archive: Path | None = None) -> Contents:
    lines = [line.split(" ", 2) for line in _run(command, None, archive).splitlines()]
    return {name: (digest, int(size)) for digest, size, name in lines}


def _unpacked(command, archive: Path | None = None) -> Contents:
    directory = Path(tempfile.mkdtemp(prefix="unpacked-"))
    try:
        _run(command, directory, archive)
        files = {path.name: path.read_bytes() for path in directory.iterdir()}
        return {name: (hashlib.sha256(content).hexdigest(), len(content)) for name, content in files.items()}
    finally:
        shutil.rmtree(directory)
