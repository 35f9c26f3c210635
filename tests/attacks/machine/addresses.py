"""The addresses and names of the machine of these tests, and of the internet beside it."""

from __future__ import annotations

OWN, OWN6 = "7.7.7.2", "2a00:2::2"
"""The machine's, and one of the public internet: what listens at it is the machine's all the same."""
PRIVATE = "10.1.1.2"
WEB, WEB6 = "93.184.0.1", "2a00:1::1"
"""A server of the internet."""
MODEL_PORT = 8080
SECRET = "secret of the machine"
"""What its servers say."""
SECRET_PORT = 7233
PAGE = "a page of the internet"
REBINDING = "rebinding.example.com"
"""A name that leads to WEB and to loopback by turns."""
LATE = "late.example.com"
"""A name that is nowhere when it is first asked for, and leads to loopback then, by turns."""

NAMES = {
    WEB: ("api.example.com", "www.example.org", "deep.www.example.org", "model.example.net", "ssh.example.com"),
    WEB6: ("six.example.com",),
    "127.0.0.1": ("localhost", "sneaky.example.com"),
    PRIVATE: ("inner.example.com",),
    OWN: ("self.example.com",),
    "::1": ("sneaky6.example.com",),
    "169.254.169.254": ("metadata.example.com",),
}
