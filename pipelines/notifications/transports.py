"""Transports of a notice: a mail server and a webhook. Standard library only."""

import json
import smtplib
import ssl
import unicodedata
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from typing import Any

TIMEOUT = 15  # seconds for one server


class DeliveryError(Exception):
    """A text could not be delivered; the message names the host, and no secret."""


def mail(server: str, sender: str, to: Sequence[str], subject: str, text: str, password: str = "") -> None:
    """Sends one message. server: `smtp://user@host:port`, encrypted where the server offers it, or `smtps://…`.

    Raises:
        DeliveryError: the server cannot be reached, refuses, or would get the password unencrypted.
    """
    address = parse(server, ("smtp", "smtps"))
    message = EmailMessage()
    message["From"], message["To"] = sender, ", ".join(to)
    message["Subject"] = plain(subject)
    message.set_content(plain(text, "\n"))
    secure = ssl.create_default_context()
    try:
        if address.scheme == "smtps":
            session = smtplib.SMTP_SSL(address.hostname, address.port or 465, timeout=TIMEOUT, context=secure)
        else:
            session = smtplib.SMTP(address.hostname, address.port or 25, timeout=TIMEOUT)
        with session:
            session.ehlo()
            encrypted = address.scheme == "smtps"
            if not encrypted and session.has_extn("starttls"):
                session.starttls(context=secure)
                encrypted = True
            if address.username and password:
                if not encrypted:
                    raise DeliveryError(
                        f"a password is only sent encrypted. Received: {address.hostname} offers no TLS"
                    )
                session.login(urllib.parse.unquote(address.username), password)
            session.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise DeliveryError(f"{address.hostname} must take the mail. Received: {type(error).__name__}") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):  # None: the 3xx answer is an error
        return None


def post(address: str, value: Mapping[str, Any]) -> None:
    """Sends JSON to a webhook.

    Raises:
        DeliveryError: no http(s) address, no answer, or anything but a success; a redirect is not followed.
    """
    host = parse(address, ("http", "https")).hostname
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address, data=json.dumps(value).encode(), headers=headers, method="POST")
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT) as answer:
            answer.read(1000)
    except urllib.error.HTTPError as error:
        raise DeliveryError(f"{host} must take the notice. Received: status {error.code}") from None
    except OSError as error:
        raise DeliveryError(f"{host} must take the notice. Received: {type(error).__name__}") from None


def plain(text: str, kept: str = "") -> str:
    """Text without control and direction characters, but for those kept: nothing in it can end a header or hide itself."""
    return "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") and c not in kept else c for c in text)


def parse(address: str, schemes: Sequence[str]) -> urllib.parse.ParseResult:
    """The parts of a server's address.

    Raises:
        DeliveryError: another scheme, no host, or a password inside.
    """
    parsed = urllib.parse.urlparse(address)
    try:
        right = parsed.scheme in schemes and bool(parsed.hostname) and parsed.password is None
        _ = parsed.port  # raises for one out of range
    except ValueError:
        right = False
    if not (right and address.isprintable() and " " not in address):
        raise DeliveryError(
            f"an address must be {' or '.join(schemes)}://host:port, without a password. "
            f"Received: scheme={parsed.scheme[:20]!r}"
        )
    return parsed
