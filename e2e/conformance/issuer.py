"""An issuer of tokens on this machine, for servers that ask it before they take an authorizer."""

import contextlib
import http.server
import json
import threading

DISCOVERY = "/.well-known/openid-configuration"


@contextlib.contextmanager
def serving():
    """Its URL, while it answers."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            documents = {DISCOVERY: {"issuer": url, "jwks_uri": f"{url}/keys"}, "/keys": {"keys": []}}
            found = documents.get(self.path)
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield url
        server.shutdown()
