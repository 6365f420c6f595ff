"""A desk without keys answers this machine only.

Listening on loopback is not enough. A page of another site, open in a browser of this machine,
can send requests to the API. Under a name that it has pointed at this machine, it can also read
the answers.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers

from api.problems import NotAllowedError
from data.contracts.errors import ContractViolationError
from flows.runtime.host.loopback import is_loopback


def require_loopback(host: str) -> None:
    """Without keys every caller acts in every role, so only this machine may call.

    Raises ContractViolationError for any other address.
    """
    if not is_loopback(host):
        raise ContractViolationError(
            f"without API keys the API answers on this machine only, and not on {host}:"
            " make one with `credit-desk keys create`, or set CREDIT_DESK_API_HOST to 127.0.0.1"
        )


def require_local_request(headers: Headers) -> None:
    """Raises NotAllowedError for a request to another host name, or from a page of another host."""
    origin = headers.get("origin")
    for address in (f"//{headers.get('host', '')}", *([origin] if origin else [])):
        if not is_loopback(_host_of(address)):
            raise NotAllowedError(
                "without API keys the desk answers this machine only, under its own name"
            )


def _host_of(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
