"""A stand-in for a wandb server: enough of its protocol over HTTP on loopback that the real client logs, resumes and
syncs against it, and every record can be asserted. It holds runs in memory and speaks to nobody."""

import gzip
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

ENTITY = "standin"
KEY = "0123456789" * 4  # the client wants 40 characters; this server asks for none


@dataclass
class Run:
    """What the server knows of one run.

    The lines of a file have offsets; a client that starts again from an offset replaces what stood there and after
    (with wandb's own server, "one offline run replaces another": wandb/wandb#3841, #5865).
    """

    id: str
    project: str
    attributes: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    files: dict[str, dict[int, str]] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    received: list[int] = field(default_factory=list)  # the step of every history line ever sent, repeats included
    exit_code: int | None = None

    def lines(self, name: str) -> list[str]:
        return [line for _, line in sorted(self.files.get(name, {}).items())]


class WandbServer:
    """Serves on a free port of 127.0.0.1 from `with` to the end of its block."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.operations: list[str] = []
        self.refuse = False  # answers a new run with an error, as to a key that is not valid
        self.away = False  # answers everything with 503
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"owner": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self._http.handle_error = lambda *_: None  # a client that was killed resets its connections
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> "WandbServer":
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()

    def history(self, run_id: str) -> list[dict[str, Any]]:
        """Rows of the run as the server would draw them; the step is `_step`."""
        return [json.loads(line) for line in self.runs[run_id].lines("wandb-history.jsonl")]

    def graphql(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        found = re.search(r"(?:query|mutation)\s+(\w+)", query)
        operation = found.group(1) if found else ""
        with self._lock:
            self.operations.append(operation)
            match operation:
                case "Viewer":
                    viewer = {"id": "1", "entity": ENTITY, "username": ENTITY, "email": "", "flags": "{}"}
                    return {"viewer": {**viewer, "teams": {"edges": []}}}
                case "UpsertBucket":
                    return {"upsertBucket": self._upsert(variables)}
                case "CreateRunFiles":
                    return {"createRunFiles": self._files(variables)}
                case "RunResumeStatus":
                    return {"model": self._status(variables)}
        return {}

    def stream(self, run_id: str, body: dict[str, Any]) -> None:
        with self._lock:
            run = self.runs[run_id]
            for name, chunk in (body.get("files") or {}).items():
                lines = run.files.setdefault(name, {})
                for stale in [offset for offset in lines if offset >= chunk["offset"]]:
                    del lines[stale]
                for offset, line in enumerate(chunk["content"], start=chunk["offset"]):
                    lines[offset] = line
                    if name == "wandb-history.jsonl":
                        run.received.append(json.loads(line)["_step"])
                if name == "wandb-summary.json":
                    run.summary.update(json.loads(chunk["content"][-1]))
            if body.get("complete"):
                run.exit_code = body.get("exitcode")

    def upload(self, run_id: str, name: str, content: bytes) -> None:
        with self._lock:
            self.runs[run_id].uploads[name] = content

    def _upsert(self, variables: dict[str, Any]) -> dict[str, Any]:
        project = variables.get("project") or "uncategorized"
        run_id = variables.get("name") or variables["id"]
        inserted = run_id not in self.runs
        run = self.runs.setdefault(run_id, Run(run_id, project))
        run.attributes.update({name: value for name, value in variables.items() if value is not None})
        if variables.get("config"):
            run.config.update({k: v["value"] for k, v in json.loads(variables["config"]).items()})
        if variables.get("summaryMetrics"):
            run.summary.update(json.loads(variables["summaryMetrics"]))
        bucket = {
            "id": run_id,
            "name": run_id,
            "displayName": run.attributes.get("displayName") or run_id,
            "description": None,
            "config": "{}",
            "sweepName": None,
            "historyLineCount": None,  # a run that is not resumed starts over
            "project": {"id": project, "name": project, "entity": {"id": "1", "name": ENTITY}},
        }
        return {"bucket": bucket, "inserted": inserted}

    def _files(self, variables: dict[str, Any]) -> dict[str, Any]:
        run_id = variables["run"]
        urls = [{"name": name, "uploadUrl": f"{self.url}/upload/{run_id}/{name}"} for name in variables["files"]]
        return {"runID": run_id, "uploadHeaders": [], "files": urls}

    def _status(self, variables: dict[str, Any]) -> dict[str, Any]:
        project = variables.get("project")
        model: dict[str, Any] = {
            "id": project,
            "name": project,
            "entity": {"id": "1", "name": ENTITY},
            "bucket": None,
        }
        if run := self.runs.get(variables["name"]):
            history, events = run.lines("wandb-history.jsonl"), run.lines("wandb-events.jsonl")
            model["bucket"] = {
                "id": run.id,
                "name": run.id,
                "displayName": run.attributes.get("displayName"),
                "summaryMetrics": json.dumps(run.summary),
                "logLineCount": len(run.lines("output.log")),
                "historyLineCount": len(history),
                "eventsLineCount": len(events),
                "historyTail": json.dumps(history[-1:]),
                "eventsTail": json.dumps(events[-1:]),
                "config": json.dumps({name: {"value": value} for name, value in run.config.items()}),
                "tags": run.attributes.get("tags"),
                "notes": None,
                "wandbConfig": '{"t": 1}',
            }
        return model


class _Handler(BaseHTTPRequestHandler):
    owner: WandbServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer({})

    def do_PUT(self) -> None:
        _, _, run_id, name = self.path.split("/", 3)
        self.owner.upload(run_id, name, self._body())
        self._answer({})

    def do_POST(self) -> None:
        content = self._body()
        body = json.loads(content) if "json" in self.headers.get("Content-Type", "") else {}
        if self.owner.away:
            self._answer({})
        elif self.path.endswith("/file_stream"):
            self.owner.stream(self.path.split("/")[-2], body)
            self._answer({})
        elif self.path == "/graphql" and self.owner.refuse:
            self._answer({"errors": [{"message": "permission denied"}]}, status=403)
        elif self.path == "/graphql":
            self._answer({"data": self.owner.graphql(body["query"], body.get("variables") or {})})
        else:
            self._answer({})  # the client's telemetry

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _answer(self, answer: dict[str, Any], status: int = 200) -> None:
        content = json.dumps(answer).encode()
        self.send_response(503 if self.owner.away else status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
