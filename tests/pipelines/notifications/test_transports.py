"""Mail, webhook and text, against small servers of the test's own on the loopback."""

import http.server
import json
import socketserver
import threading

import pytest

from pipelines.notifications import transports


class Post(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, json.loads(body)))
        self.send_response(self.server.status)
        if self.server.status in (302, 307):
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *args):
        pass


class Smtp(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as one mail needs; no TLS, as an old relay."""

    def handle(self):
        self.say("220 here")
        while line := self.rfile.readline():
            word = line.decode().strip()
            self.server.seen.append(word)
            if word.upper().startswith("EHLO"):
                self.say("250-here", "250 8BITMIME")
            elif word.upper() == "DATA":
                self.say(*(["354 go on"] if self.server.status == 250 else ["554 no"]))
                if self.server.status == 250:
                    while (text := self.rfile.readline()) != b".\r\n":
                        self.server.text.append(text.decode().rstrip("\r\n"))
                    self.say("250 taken")
            elif word.upper() == "QUIT":
                return self.say("221 bye")
            else:
                self.say("250 ok")

    def say(self, *lines):
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())


@pytest.fixture
def serve():
    """`serve(handler, status)` starts a server; it has `seen`, for mail `text`, and `address` (host:port)."""
    running = []

    def start(handler, status):
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        server.daemon_threads, server.seen, server.text, server.status = True, [], [], status
        server.address = f"127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def test_a_webhook_gets_json(serve):
    server = serve(Post, 200)
    transports.post(f"http://{server.address}/hook?x=1", {"text": "news: refused", "kind": "refused"})
    assert server.seen == [("/hook?x=1", {"text": "news: refused", "kind": "refused"})]


@pytest.mark.parametrize("status", [302, 307, 404, 500])
def test_a_redirect_is_not_followed_and_no_error_is_taken_for_success(serve, status):
    server = serve(Post, status)
    with pytest.raises(transports.DeliveryError, match=f"status {status}"):
        transports.post(f"http://{server.address}/hook", {})
    assert [path for path, _ in server.seen] == ["/hook"]


@pytest.mark.parametrize(
    "address",
    ["file:///etc/passwd", "ftp://host/x", "gopher://host", "http://", "host/x", "http://u:secret@host/", "http://host:0x/",
     "http://host/a b", "http://host/\n", ""],
)  # fmt: skip
def test_an_address_that_is_no_http_server_is_refused_without_showing_it(address):
    with pytest.raises(transports.DeliveryError, match="an address must be") as caught:
        transports.post(address, {})
    assert "secret" not in str(caught.value) and "passwd" not in str(caught.value)


def test_a_server_that_is_not_there_is_named_by_its_host_and_not_by_its_path(serve):
    server = serve(Post, 200)
    server.shutdown()
    server.server_close()
    with pytest.raises(transports.DeliveryError, match=r"127\.0\.0\.1 must take") as caught:
        transports.post(f"http://{server.address}/a-secret-path", {})
    assert "a-secret-path" not in str(caught.value)


def recipients(server):
    return [word[len("RCPT TO:<") :].rstrip(">") for word in server.seen if word.upper().startswith("RCPT")]


def test_a_mail_has_its_recipients_subject_and_text(serve):
    server = serve(Smtp, 250)
    transports.mail(
        f"smtp://{server.address}", "from@a.org", ["x@a.org", "y@a.org"], "news: refused", "first\nzweites ä"
    )
    assert recipients(server) == ["x@a.org", "y@a.org"]
    assert {"Subject: news: refused", "To: x@a.org, y@a.org", "From: from@a.org"} <= set(server.text)


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\u2028", "\x0b"])
def test_text_from_data_cannot_add_a_header_or_a_recipient(serve, end):
    server = serve(Smtp, 250)
    transports.mail(
        f"smtp://{server.address}",
        "a@a.org",
        ["b@a.org"],
        f"x{end}Bcc: evil@b.org",
        "text\r\n.\r\nRCPT TO:<evil@b.org>",
    )
    assert recipients(server) == ["b@a.org"]
    assert not [line for line in server.text if line.startswith("Bcc")]
    assert "RCPT TO:<evil@b.org>" in server.text  # as text: after the dot that did not end it


def test_a_password_is_not_sent_in_the_clear(serve):
    server = serve(Smtp, 250)
    with pytest.raises(transports.DeliveryError, match="offers no TLS"):
        transports.mail(f"smtp://desk@{server.address}", "a@a.org", ["b@a.org"], "x", "y", password="hidden")
    assert not [line for line in server.seen if line.startswith(("AUTH", "DATA"))]


def test_a_server_that_refuses_is_an_error_that_names_it(serve):
    server = serve(Smtp, 554)
    with pytest.raises(transports.DeliveryError, match=r"127\.0\.0\.1 must take the mail.*SMTPDataError"):
        transports.mail(f"smtp://{server.address}", "a@a.org", ["b@a.org"], "x", "y")


def test_plain_text_keeps_what_a_person_reads_and_drops_what_hides():
    assert transports.plain("a\tb\n\u202ec\x1b[31m ä 😀", "\n") == "a b\n c [31m ä 😀"
