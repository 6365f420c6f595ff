"""The HTTP Observatory of MDN looks at the desk's page, behind a proxy that brings HTTPS."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from data.settings import Settings
from tests.api.desks import FakeDesk, app_of
from tests.desk import unused_port
from tests.node import node_program

PACKAGE = "@mdn/mdn-http-observatory"
_TLS_HANDSHAKE = b"\x16"


@pytest.mark.soak
async def test_the_page_of_a_desk_with_https_gets_the_best_grade(
    desk: FakeDesk, tmp_path: Path
) -> None:
    scanner, port = await _installed(tmp_path), unused_port()
    certificate = _certificate(tmp_path)
    async with _desk_behind_a_proxy(desk, port, certificate):
        scan = await asyncio.create_subprocess_exec(
            node_program("node", "the grade of the page is unknown"),
            *(scanner / "src" / "scan.js", f"localhost:{port}"),
            env={"NODE_EXTRA_CA_CERTS": str(certificate)},
            stdout=asyncio.subprocess.PIPE,
        )
        told, _ = await asyncio.wait_for(scan.communicate(), 60)

    report: dict[str, Any] = json.loads(told)
    failed = [name for name, test in report["tests"].items() if not test["pass"]]
    assert failed == []
    assert report["scan"]["grade"] == "A+"


async def _installed(folder: Path) -> Path:
    """The package. What it would fetch from GitHub after that is a list of other sites."""
    npm = node_program("npm", "the grade of the page is unknown")
    install = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", f"{PACKAGE}@1.4"]
    await asyncio.to_thread(subprocess.run, install, cwd=folder, check=True, capture_output=True)
    package = folder / "node_modules" / PACKAGE
    (package / "conf" / "hsts-preload.json").write_text("{}")
    return package


@asynccontextmanager
async def _desk_behind_a_proxy(desk: FakeDesk, port: int, certificate: Path) -> AsyncIterator[None]:
    """The application by HTTPS; the same port sends plain HTTP there, as proxies do."""
    inside = unused_port()
    app = app_of(desk, Settings(public_api_url=f"https://localhost:{port}"))
    server = uvicorn.Server(
        uvicorn.Config(app, port=inside, ssl_certfile=certificate, log_config=None)
    )
    serving = asyncio.create_task(server.serve())

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(1)
        if first == _TLS_HANDSHAKE:
            there, onward = await asyncio.open_connection("localhost", inside)
            onward.write(first)
            await asyncio.gather(_pass_on(reader, onward), _pass_on(there, writer))
        else:
            place = f"Location: https://localhost:{port}/\r\nContent-Length: 0"
            writer.write(f"HTTP/1.1 301 Moved Permanently\r\n{place}\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(answer, "localhost", port):
        async with asyncio.timeout(20):
            while not server.started:  # noqa: ASYNC110 - Uvicorn tells no other way
                await asyncio.sleep(0.05)
        yield
        server.should_exit = True
    await serving


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
    writer.close()


def _certificate(folder: Path) -> Path:
    """A certificate for `localhost`, signed by itself, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    file = folder / "localhost.pem"
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
        + certificate.public_bytes(pem)
    )
    return file
