"""Variables of the environment and certificates that keep calls from being made are named."""

import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api_server import Reply, serving
from recorded import chat

DATA = ("--functions", "fn_a", "--lengths", 20, "--train-size", 20, "--out-dir", "out")
TRACKS = {
    "synthesize": ("--provider", "chat", "--attempts", 1, "--val-size", 4, "--test-size", 4),
    "incontext": ("--test-size", 2, "--test-split-size", 4),
}


@pytest.fixture(params=TRACKS)
def ask(request, invoke):
    """Runs a command of each track against a server."""

    def run(url: str, **environment: str):
        flags = (*TRACKS[request.param], "--model", "m", "--base-url", f"{url}/v1", "--retries", 1)
        return invoke(request.param, *DATA, *flags, **environment)

    return run


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ALL_PROXY", "socks://127.0.0.1:9", "ALL_PROXY names a proxy with socks://"),
        ("all_proxy", "socks5://me:secretive@127.0.0.1:9", "all_proxy names a proxy with socks5"),
        ("HTTP_PROXY", "socks5h://127.0.0.1:9", "HTTP_PROXY names a proxy with socks5h://"),
        ("HTTPS_PROXY", "ftp://127.0.0.1:9", "HTTPS_PROXY names a proxy with ftp://"),
        ("SSL_CERT_FILE", "nowhere.pem", "SSL_CERT_FILE is nowhere.pem, which cannot be read"),
        ("SSL_CERT_FILE", "words.pem", "SSL_CERT_FILE is words.pem, which cannot be read as"),
        ("OPENAI_ORG_ID", "org-1\norg-2", "OPENAI_ORG_ID contains a line end"),
        ("OPENAI_PROJECT_ID", "proj-ä", "OPENAI_PROJECT_ID contains"),
    ],
)
def test_a_variable_that_no_call_survives_is_named_before_any_is_made(
    ask, name, value, said, tmp_path
):
    (tmp_path / "words.pem").write_text("no certificate")
    with serving(lambda _: Reply(chat("1"))) as api:
        done = ask(api.url, **{name: value})
        assert api.calls == []
    assert done.returncode == 2
    assert done.stderr.startswith(f"llm-erm: {said}")
    assert "secretive" not in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "environment",
    [
        {"ALL_PROXY": "socks5://127.0.0.1:9", "NO_PROXY": "127.0.0.1"},
        {"HTTPS_PROXY": "socks5://127.0.0.1:9"},
        {"HTTP_PROXY": "", "OPENAI_ORG_ID": "org-1"},
    ],
    ids=["not for this host", "not for http", "empty"],
)
def test_a_proxy_that_is_not_used_is_no_obstacle(ask, environment):
    with serving(lambda _: Reply(chat('{"label": "1"}'))) as api:
        done = ask(api.url, **environment)
    assert done.returncode == 0, done.stderr
    assert api.calls


def test_a_proxy_that_is_not_there_is_named(ask):
    done = ask("http://192.0.2.1", HTTP_PROXY="http://127.0.0.1:9")
    assert done.returncode == 2
    assert "could not connect to the proxy that HTTP_PROXY" in done.stderr


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """A key and a certificate that it signed itself, for 127.0.0.1."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path = tmp_path_factory.mktemp("tls") / "cert.pem"
    path.write_bytes(
        key.private_bytes(*form, serialization.NoEncryption()) + signed.public_bytes(form[0])
    )
    return path


@pytest.fixture(scope="module")
def secure(certificate) -> Iterator[str]:
    """Address of a server with that certificate."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            body = json.dumps(chat('{"label": "1"}')).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that does not trust the certificate hangs up."""

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_certificate_that_nobody_vouches_for_is_said_and_can_be_trusted(ask, secure, certificate):
    done = ask(secure)
    assert done.returncode == 2
    assert "its certificate is not trusted (self-signed certificate)" in done.stderr
    assert "SSL_CERT_FILE" in done.stderr
    done = ask(secure, SSL_CERT_FILE=str(certificate))
    assert done.returncode == 0, done.stderr
