"""Says what it was asked: every request that came whole goes on a list, which GET /seen gives and empties.

Run by gunicorn, waitress and cheroot as `app:wsgi`, by uvicorn and hypercorn as `app:asgi`, and by itself with aiohttp
or tornado: python app.py NAME PORT.
"""

import json
import sys

SEEN = []


def note(method, target, body):
    """The answer to a request."""
    if target == "/seen":
        said = json.dumps(SEEN).encode()
        SEEN.clear()
        return said
    SEEN.append([method, target, body.decode("latin-1")])
    return b"noted"


def with_query(path, query):
    return f"{path}?{query}" if query else path


def wsgi(environ, start):
    target = with_query(environ["PATH_INFO"], environ.get("QUERY_STRING"))
    length = int(environ.get("CONTENT_LENGTH") or 0)
    stream = environ["wsgi.input"]
    chunked = "HTTP_TRANSFER_ENCODING" in environ
    body = stream.read() if chunked else stream.read(length)
    is_whole = chunked or len(body) == length
    said = note(environ["REQUEST_METHOD"], target, body) if is_whole else b"cut"
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(said)))])
    return [said]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        more = message.get("more_body", False)
    said = note(scope["method"], with_query(scope["path"], scope["query_string"].decode()), body)
    headers = [(b"content-length", str(len(said)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said})


def run_aiohttp(port):
    from aiohttp import web

    async def answer(request):
        body = await request.read()
        return web.Response(body=note(request.method, request.raw_path, body))

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", answer)
    web.run_app(app, host="127.0.0.1", port=port, print=None)


def run_tornado(port):
    import asyncio

    from tornado import httpserver

    def answer(request):
        said = note(request.method, request.uri, request.body)
        start = f"HTTP/1.1 200 OK\r\nContent-Length: {len(said)}\r\n\r\n".encode()
        request.connection.write(start + said)
        request.connection.finish()

    async def serve():
        httpserver.HTTPServer(answer).listen(port, "127.0.0.1")
        await asyncio.Event().wait()

    asyncio.run(serve())


if __name__ == "__main__":
    {"aiohttp": run_aiohttp, "tornado": run_tornado}[sys.argv[1]](int(sys.argv[2]))
