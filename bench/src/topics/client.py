"""What others have built against topics: CloudEvents' SDK publishes and reads, the verifier of Standard Webhooks verifies.

Arguments: the API of topics, the ports of the service and of the webhooks. Ends with 0 when everything was right.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent, from_http
from standardwebhooks.webhooks import Webhook

API, SERVICE, HOOKS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
TOKEN, SECRETS = os.environ["TOKEN"], [os.environ["SECRET"], os.environ["SECRET_OLD"]]
PATIENCE = 20.0

# What is published: data in JSON, text, bytes, and none.
EVENTS = [
    CloudEvent({"id": "1", "source": "/shop", "type": "order.placed", "subject": "cart/5", "datacontenttype": "application/json"}, {"n": 1, "x": [1.5, None]}),
    CloudEvent({"id": "2", "source": "/shop", "type": "order.note", "datacontenttype": "text/plain"}, "two\nlines"),
    CloudEvent({"id": "3", "source": "/shop", "type": "order.scan", "datacontenttype": "application/octet-stream"}, b"\x00\xff"),
    CloudEvent({"id": "4", "source": "/shop", "type": "order.placed", "extension": "e", "datacontenttype": "application/json"}, {"n": 4}),
]
got = {}
wrong = []
lock = threading.Lock()


def plain(data):
    """However a mode carried it."""
    if isinstance(data, (bytes, bytearray)):
        try:
            data = bytes(data).decode()
        except UnicodeDecodeError:
            return bytes(data)
    if isinstance(data, str):
        try:
            return json.loads(data)
        except ValueError:
            return data
    return data


def note(way, headers, body):
    event = from_http(headers, body)
    with lock:
        got.setdefault(way, {})[event["id"]] = event


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_OPTIONS(self):
        self.send_response(200)
        self.send_header("WebHook-Allowed-Origin", self.headers["WebHook-Request-Origin"])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {k.lower(): v for k, v in self.headers.items()}
        way = self.path.strip("/")
        try:
            if way != "events":
                # Whoever has only one of the two secrets verifies it, and nobody else does.
                for secret in SECRETS:
                    verify(secret, body, headers)
            note(way, headers, body)
        except Exception as e:
            with lock:
                wrong.append(f"{way}: {type(e).__name__}: {e}")
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        pass


def verify(secret, body, headers):
    """The verifier only takes bodies in JSON, which not every event is; those are verified by what it says of itself."""
    if "json" in headers["content-type"]:
        Webhook(secret).verify(body, headers)
        return
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f'{headers["webhook-id"]}.{headers["webhook-timestamp"]}.'.encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert expected in headers["webhook-signature"].split(" "), "no signature is ours"


def ask(path, body=None, headers=None):
    request = urllib.request.Request(API + path, data=body, headers={**(headers or {}), "Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.loads(answer.read())


def publish():
    headers, body = to_binary(EVENTS[0])
    first = ask("orders", body, headers)
    assert not first["events"][0]["duplicate"], first
    assert ask("orders", body, headers)["events"][0]["duplicate"], "the same event once more"
    headers, body = to_structured(EVENTS[1])
    ask("orders", body, headers)
    headers, body = to_binary(EVENTS[2])
    ask("orders", body, headers)
    batch = [json.loads(to_structured(e)[1]) for e in EVENTS[3:]]
    ask("orders", json.dumps(batch).encode(), {"Content-Type": "application/cloudevents-batch+json"})


def pulled():
    leased = ask("orders/pulled/pull", json.dumps({"max": 10}).encode())["events"]
    for e in leased:
        note("pulled", {"content-type": "application/cloudevents+json"}, json.dumps(e["event"]).encode())
    done = ask("orders/pulled/ack", json.dumps({"receipts": [e["receipt"] for e in leased]}).encode())
    assert done == {"done": len(EVENTS), "lost": []}, done


def streamed():
    request = urllib.request.Request(API + "orders/live/events", headers={"Authorization": f"Bearer {TOKEN}", "Last-Event-ID": "0"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        while len(got.get("live", {})) < len(EVENTS):
            line = answer.readline()
            if line.startswith(b"data: "):
                note("live", {"content-type": "application/cloudevents+json"}, line[6:].strip())


def judge(way):
    for sent in EVENTS:
        came = got[way][sent["id"]]
        for name, value in sent.get_attributes().items():
            if name != "time" and came.get(name) != value:
                wrong.append(f"{way}: event {sent['id']}: {name} is {came.get(name)!r}, was {value!r}")
        if plain(came.data) != plain(sent.data):
            wrong.append(f"{way}: event {sent['id']}: data is {came.data!r}, was {sent.data!r}")


def main():
    for port in (SERVICE, HOOKS):
        server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    publish()
    pulled()
    streamed()
    ways = ["events", "binary", "structured", "pulled", "live"]
    until = time.monotonic() + PATIENCE
    while any(len(got.get(w, {})) < len(EVENTS) for w in ways):
        if time.monotonic() > until:
            sys.exit(f"not all came: { {w: sorted(got.get(w, {})) for w in ways} } {wrong}")
        time.sleep(0.02)
    for way in ways:
        judge(way)
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(EVENTS)} events by {len(ways)} ways")


main()
