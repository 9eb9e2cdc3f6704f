"""What schemathesis has to be told of these services. Each request is of another caller, with a key of its own, since
a caller over its rate and a key that was used with another content are refused by design, and schemathesis would
learn nothing of what lies behind."""

import base64
import hashlib
import hmac
import itertools
import json
import os
import re
import time

import schemathesis

SECRET = os.environ.get("SECRET", "")
callers = itertools.count(1)
VALID_KEY = re.compile(r"[!-~]{1,255}")


def token(subject):
    """A token (HS256) of a subject that has every role of the examples."""
    part = lambda value: base64.urlsafe_b64encode(value).rstrip(b"=")
    head = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    claims = {"sub": subject, "exp": int(time.time()) + 600, "roles": os.environ["ROLES"].split()}
    signed = head + b"." + part(json.dumps(claims).encode())
    return (signed + b"." + part(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest())).decode()


@schemathesis.hook
def before_call(context, case, kwargs):
    number = next(callers)
    case.headers["X-Forwarded-For"] = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    key = case.headers.get("Idempotency-Key")
    if isinstance(key, str) and VALID_KEY.fullmatch(key):
        case.headers["Idempotency-Key"] = f"{number}-{key}"[:255]


if SECRET:

    @schemathesis.auth(refresh_interval=None)
    class Tokens:
        def get(self, case, context):
            return token(f"caller-{next(callers)}")

        def set(self, case, data, context):
            case.headers["Authorization"] = f"Bearer {data}"
