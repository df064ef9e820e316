"""A file with HTTP ranges (RFC 9110 14). In production nginx serves the bytes; this serves the demo and the tests."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

CHUNK = 1 << 20
RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def file_response(request: HttpRequest, path: Path) -> HttpResponse:
    """The file, or the one range asked for; 416 for a range outside it. Several ranges at once get the whole file."""
    size = path.stat().st_size
    first, last, status = 0, size - 1, 200
    asked = RANGE.fullmatch(request.headers.get("Range", ""))
    if asked and (asked[1] or asked[2]):
        first = int(asked[1]) if asked[1] else max(size - int(asked[2]), 0)
        last = min(int(asked[2]), size - 1) if asked[1] and asked[2] else size - 1
        if first > last:
            return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
        status = 206
    length = max(last - first + 1, 0)
    answer: HttpResponseBase
    if request.method == "HEAD":
        answer = HttpResponse()
    elif length <= CHUNK:
        with path.open("rb") as file:
            file.seek(first)
            answer = HttpResponse(file.read(length))
    else:
        answer = StreamingHttpResponse(_chunks(path.open("rb"), first, length))
    answer.status_code = status
    answer["Content-Type"] = "application/octet-stream"
    answer["Content-Length"] = str(length)
    answer["Accept-Ranges"] = "bytes"
    if status == 206:
        answer["Content-Range"] = f"bytes {first}-{last}/{size}"
    return answer  # type: ignore[return-value]


def _chunks(file: IO[bytes], first: int, length: int) -> Iterator[bytes]:
    with file:
        file.seek(first)
        while length > 0 and (chunk := file.read(min(CHUNK, length))):
            length -= len(chunk)
            yield chunk
