"""A small object store that speaks enough of S3 for LanceDB: put (also only where nothing is), get, ranges, list,
delete and uploads in parts. It keeps everything in memory and checks no signature."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

OBJECT = "<Contents><Key>{key}</Key><Size>{size}</Size><ETag>&quot;{tag}&quot;</ETag>\
<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"


class Bucket(ThreadingHTTPServer):
    """The server, what it holds and what it was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.headers_seen: list[dict[str, str]] = []
        self.lock = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Bucket

    def log_message(self, *_):
        pass

    def _place(self):
        self.server.headers_seen.append(dict(self.headers))
        parts = urlsplit(self.path)
        return unquote(parts.path).lstrip("/"), parse_qs(parts.query, keep_blank_values=True)

    def _say(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _read(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return body
        whole = b""
        while body:
            size, _, body = body.partition(b"\r\n")
            count = int(size.split(b";")[0], 16)
            whole, body = whole + body[:count], body[count + 2 :]
            if not count:
                break
        return whole

    def do_PUT(self):
        key, query = self._place()
        body = self._read()
        with self.server.lock:
            if "uploadId" in query:
                number = int(query["partNumber"][0])
                self.server.parts[query["uploadId"][0]][number] = body
            elif self.headers.get("If-None-Match") == "*" and key in self.server.objects:
                return self._say(412, b"<Error><Code>PreconditionFailed</Code></Error>")
            elif source := self.headers.get("x-amz-copy-source"):
                self.server.objects[key] = self.server.objects[unquote(source).lstrip("/")]
                return self._say(200, b"<CopyObjectResult><ETag>x</ETag></CopyObjectResult>")
            else:
                self.server.objects[key] = body
        self._say(200, ETag=f'"{len(body)}"')

    def do_POST(self):
        key, query = self._place()
        body = self._read()
        if "delete" in query:
            keys = re.findall(rb"<Key>(.*?)</Key>", body)
            bucket = key.split("/")[0]
            for one in keys:
                self.server.objects.pop(f"{bucket}/{one.decode()}", None)
            told = "".join(f"<Deleted><Key>{escape(k.decode())}</Key></Deleted>" for k in keys)
            return self._say(200, f"<DeleteResult>{told}</DeleteResult>".encode())
        if "uploads" in query:
            upload = str(len(self.server.parts))
            self.server.parts[upload] = {}
            told = f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            return self._say(200, told.encode())
        parts = self.server.parts[query["uploadId"][0]]
        self.server.objects[key] = b"".join(parts[number] for number in sorted(parts))
        done = "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>"
        return self._say(200, done.encode())

    def do_DELETE(self):
        key, _ = self._place()
        self.server.objects.pop(key, None)
        self._say(204)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        key, query = self._place()
        if "list-type" in query:
            return self._list(key.rstrip("/"), query)
        body = self.server.objects.get(key)
        if body is None:
            return self._say(404, b"<Error><Code>NoSuchKey</Code></Error>")
        seen = {"ETag": f'"{len(body)}"', "Last_Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not asked:
            return self._say(200, body, **seen)
        first, last = asked.groups()
        start = int(first) if first else max(0, len(body) - int(last))
        end = min(int(last) + 1, len(body)) if first and last else len(body)
        place = f"bytes {start}-{end - 1}/{len(body)}"
        return self._say(206, body[start:end], Content_Range=place, **seen)

    def _list(self, bucket, query):
        prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
        after = query.get("start-after", [""])[0]
        files, folders = [], set()
        for name in sorted(self.server.objects):
            key = name.removeprefix(f"{bucket}/")
            if not key.startswith(prefix) or key <= after:
                continue
            rest = key[len(prefix) :]
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.split(delimiter)[0] + delimiter)
            else:
                body = self.server.objects[name]
                files.append(OBJECT.format(key=escape(key), size=len(body), tag=len(body)))
        common = "".join(
            f"<CommonPrefixes><Prefix>{escape(f)}</Prefix></CommonPrefixes>"
            for f in sorted(folders)
        )
        told = f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(files)}{common}</ListBucketResult>"
        self._say(200, told.encode(), Content_Type="application/xml")


@contextmanager
def running() -> Iterator[Bucket]:
    server = Bucket()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
