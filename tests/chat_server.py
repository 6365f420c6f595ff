"""An OpenAI-compatible server of the tests' own: scripted replies over real HTTP.

It keeps the body of every request, and by default it answers as a careful model would: it repeats
values of the evidence that the request contains.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

PROMPT_TOKENS, COMPLETION_TOKENS = 120, 30


@dataclass(frozen=True)
class Reply:
    """One scripted reply."""

    content: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    tool: str = ""
    """The name of a tool that the model asks for."""
    wait: float = 0.0
    """Seconds before the first byte."""
    pause: float = 0.0
    """Seconds between two pieces of the stream."""
    cut: bool = False
    """Break the connection off in the middle of the stream."""
    piece: int = 12
    """How many characters of the content come at a time."""
    counts: bool = True
    """Whether the server counts tokens."""
    prompt_tokens: int = PROMPT_TOKENS
    """How many it counts in the request."""


Script = Callable[[dict[str, Any]], Reply | None]
"""Answers a request's body; None leaves it to the careful model."""


class ChatServer:
    """The server while it runs."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.times: list[float] = []
        self.broken_off = threading.Event()
        """Set when a client has not read a reply to its end."""
        self.script: Script = lambda body: None
        self.url = ""
        self._lock = threading.Lock()

    def says(self, *replies: Reply) -> None:
        """Give these replies, in order; then the careful model answers."""
        left = list(replies)
        self.script = lambda body: left.pop(0) if left else None

    def take(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        with self._lock:
            self.paths.append(path)
            self.bodies.append(body)
            self.headers.append(headers)
            self.times.append(time.monotonic())
            return self.script(body) or careful(body)

    def forget(self) -> None:
        """Forget the requests so far, and the script."""
        self.bodies, self.headers, self.paths, self.times = [], [], [], []
        self.broken_off.clear()
        self.script = lambda body: None

    @property
    def sent(self) -> str:
        """Everything that was sent."""
        return json.dumps(self.bodies, ensure_ascii=False)


def agent_of(body: dict[str, Any]) -> str:
    """Which agent asks, by a word of its instruction."""
    system = body["messages"][0]["content"]
    known = {
        "documents are on file": "doc_intake",
        "identity of each applicant": "kyc",
        "signs of fraud": "fraud",
        "the stated income": "income",
        "credit report": "credit_risk.bureau",
        "Summarise the offers": "underwriter.pricing",
        "decision memo": "underwriter.decision",
        "reword the points": "underwriter.letter",
        "documents of a credit application a second time": "doc_intake.reading",
    }
    return next(label for words, label in known.items() if words in system)


def evidence_in(body: dict[str, Any]) -> dict[str, Any]:
    """The evidence that a request shows."""
    asked = next(m["content"] for m in body["messages"] if m["role"] == "user")
    text = asked if isinstance(asked, str) else asked[0]["text"]
    found: dict[str, Any] = json.loads(text.partition("\n")[2])
    return found


def worded(text: str, **statements: str) -> str:
    """An answer in the form that the desk asks for."""
    listed = [{"name": name, "value": value} for name, value in statements.items()]
    return json.dumps({"text": text, "statements": listed})


def careful(body: dict[str, Any]) -> Reply:
    """What a model answers that keeps to its evidence."""
    evidence = evidence_in(body)
    if "points" in evidence:
        same = [{"code": point["code"], "text": point["words"]} for point in evidence["points"]]
        return Reply(json.dumps({"points": same}))
    if "documents" in evidence and "reading" in agent_of(body):
        return Reply(json.dumps({"fields": fields_in(evidence["documents"])}))
    plain = {name: str(value) for name, value in evidence.items() if isinstance(value, str)}
    told = " ".join(f"The {name.replace('_', ' ')} is {value}." for name, value in plain.items())
    return Reply(worded(told or "There is nothing to tell.", **plain))


def fields_in(documents: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The wanted fields of documents, as they are written there."""
    return [
        {
            "document_id": document["document_id"],
            "field": name,
            "value": document["text"][name],
            "span": document["text"][name],
        }
        for document in documents
        for name in document["wanted"]
        if name in document["text"]
    ]


@pytest.fixture(scope="module")
def running() -> Iterator[ChatServer]:
    """A server for one test file."""
    with chat_server() as server:
        yield server


@pytest.fixture
def server(running: ChatServer) -> ChatServer:
    """The same server, fresh for each test."""
    running.forget()
    return running


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    """A running server on a free port."""
    server = ChatServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            """Tests read the requests instead."""

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = json.loads(self.rfile.read(length))
            names = {name.lower(): value for name, value in self.headers.items()}
            reply = server.take(self.path, body, names)
            try:
                self._answer(body, reply)
            except (BrokenPipeError, ConnectionResetError):
                server.broken_off.set()
                self.close_connection = True

        def _answer(self, body: dict[str, Any], reply: Reply) -> None:
            time.sleep(reply.wait)
            if reply.status != 200:
                self._head(reply.status, "application/json", reply.headers)
                self._chunk(json.dumps({"error": {"message": "scripted", "code": "x"}}))
            else:
                self._head(200, "text/event-stream", reply.headers)
                for piece in _pieces(body, reply):
                    self._chunk(f"data: {piece}\n\n")
                    time.sleep(reply.pause)
                if reply.cut:
                    self.close_connection = True
                    self.connection.close()
                    return
            self._chunk("")

        def _head(self, status: int, media: str, more: dict[str, str]) -> None:
            self.send_response(status)
            headers = {"Content-Type": media, "Transfer-Encoding": "chunked", **more}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def _chunk(self, text: str) -> None:
            raw = text.encode()
            self.wfile.write(f"{len(raw):x}\r\n".encode() + raw + b"\r\n")
            self.wfile.flush()

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that goes away is part of the tests."""

    http = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}/v1"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def _pieces(body: dict[str, Any], reply: Reply) -> Iterator[str]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return json.dumps(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": body["model"],
                "choices": [choice],
            }
        )

    if reply.tool:
        call = {
            "index": 0,
            "id": f"call_{reply.tool}",
            "type": "function",
            "function": {"name": reply.tool, "arguments": "{}"},
        }
        yield chunk({"role": "assistant", "tool_calls": [call]})
        yield chunk({}, "tool_calls")
    else:
        for start in range(0, len(reply.content), reply.piece):
            if reply.cut and start > len(reply.content) // 2:
                return
            yield chunk({"role": "assistant", "content": reply.content[start:][: reply.piece]})
        yield chunk({}, "stop")
    if reply.counts:
        usage = {
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": COMPLETION_TOKENS,
            "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
        }
        last = json.loads(chunk({})) | {"choices": [], "usage": usage}
        yield json.dumps(last)
    yield "[DONE]"
