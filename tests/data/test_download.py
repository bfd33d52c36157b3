"""Files are verified where they are, downloaded where they are not, and never replaced in silence."""

import gzip
import hashlib
import io
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from src.config.errors import UserError
from src.data import download as files
from src.data.download import File, digest, fetch

CONTENT = b"twelve bytes" * 1000
SHA = hashlib.sha256(CONTENT).hexdigest()
NOWHERE = "http://127.0.0.1:9/some.bin"


@pytest.fixture
def server():
    """(address, number of requests so far) of a server on loopback that has /good, /bad and /cut."""
    asked = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            if self.path == "/gone":
                self.send_error(404)
                return
            body = {"/good": CONTENT, "/bad": b"an error page", "/cut": CONTENT[:5000]}[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT) if self.path == "/cut" else len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    running = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}", asked
    running.shutdown()
    thread.join()
    running.server_close()


def test_downloads_what_is_missing_and_uses_what_is_there(server, tmp_path):
    address, asked = server
    file = File("music/some.bin", f"{address}/good", f"sha256:{SHA}")
    path = fetch(file, tmp_path)
    assert path == tmp_path / "music" / "some.bin"
    assert path.read_bytes() == CONTENT
    assert fetch(file, tmp_path) == path
    assert asked == ["/good"]


@pytest.mark.parametrize("what", ["bad", "cut", "gone"])
def test_a_wrong_download_is_not_kept(server, tmp_path, what):
    address, _ = server
    file = File("some.bin", f"{address}/{what}", f"sha256:{SHA}")
    with pytest.raises(UserError) as caught:
        fetch(file, tmp_path)
    assert SHA in str(caught.value)
    assert file.url in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    if what == "bad":
        assert hashlib.sha256(b"an error page").hexdigest() in str(caught.value)


def test_without_network_one_sentence_says_what_to_do(tmp_path):
    with pytest.raises(UserError) as caught:
        fetch(File("music/some.bin", NOWHERE, f"sha256:{SHA}"), tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    for part in (NOWHERE, str(tmp_path / "music" / "some.bin"), SHA):
        assert part in message


@pytest.mark.parametrize("broken", [CONTENT[:-1], b"X" + CONTENT[1:], b""])
def test_an_altered_file_is_refused_and_left_alone(tmp_path, broken):
    path = tmp_path / "some.bin"
    path.write_bytes(broken)
    with pytest.raises(UserError) as caught:
        fetch(File("some.bin", NOWHERE, f"sha256:{SHA}"), tmp_path)
    assert SHA in str(caught.value)
    assert hashlib.sha256(broken).hexdigest() in str(caught.value)
    assert path.read_bytes() == broken


def test_a_verified_file_is_remembered_until_it_changes(tmp_path, monkeypatch):
    data, cache = tmp_path / "data", tmp_path / "cache"
    data.mkdir()
    path = data / "some.bin"
    path.write_bytes(CONTENT)
    file = File("some.bin", NOWHERE, f"sha256:{SHA}")
    counted = []
    real = files.digest
    monkeypatch.setattr(files, "digest", lambda *a: counted.append(a) or real(*a))
    fetch(file, data, cache)
    fetch(file, data, cache)
    assert len(counted) == 1
    path.write_bytes(b"X" + CONTENT[1:])
    with pytest.raises(UserError):
        fetch(file, data, cache)
    with pytest.raises(UserError):
        fetch(file, data, cache)


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path):
    (tmp_path / "some.bin").write_bytes(CONTENT)
    (tmp_path / "cache").write_text("a file, not a folder")
    assert fetch(File("some.bin", NOWHERE, f"sha256:{SHA}"), tmp_path, tmp_path / "cache").exists()


def test_a_compressed_file_is_known_by_its_contents(tmp_path):
    digests = set()
    for level in (1, 9):
        path = tmp_path / f"{level}.gz"
        path.write_bytes(gzip.compress(CONTENT, level))
        digests.add(digest(path, "md5-uncompressed"))
    assert digests == {hashlib.md5(CONTENT).hexdigest()}
    path.write_bytes(path.read_bytes()[:-20])
    assert digest(path, "md5-uncompressed") not in digests


def archive(path: Path, members: dict[str, bytes], mode: str) -> Path:
    with tarfile.open(path, mode) as out:
        for name, content in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            out.addfile(about, io.BytesIO(content))
    return path


def test_an_archive_is_known_by_the_names_and_contents_of_its_recordings(tmp_path):
    one = {"a/0_x_0.wav": b"zero", "a/1_x_0.wav": b"one", "a/README.md": b"hello"}
    other = {"b/1_x_0.wav": b"one", "b/0_x_0.wav": b"zero"}
    swapped = {"a/0_x_0.wav": b"one", "a/1_x_0.wav": b"zero"}
    digests = [
        digest(archive(tmp_path / f"{i}.tar.gz", members, mode), "sha256-recordings")
        for i, (members, mode) in enumerate([(one, "w:gz"), (other, "w"), (swapped, "w:gz")])
    ]
    assert digests[0] == digests[1] != digests[2]
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes((tmp_path / "0.tar.gz").read_bytes()[:60])
    assert digest(cut, "sha256-recordings") != digests[0]
