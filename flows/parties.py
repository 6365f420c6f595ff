"""The people of an application as keyed digests, by which their other applications are found.

A tax number has nine digits: a plain digest of it could be guessed. These are keyed with a
secret in the desk's folder, which the ledger does not hold. The API makes it; other processes read
it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from data.contracts.application import Applicant, Application
from data.contracts.errors import UnavailableError
from flows.runtime.host.secret_file import known_secret, secret_in
from flows.runtime.ledger.parties import Party
from tools.names import normal_name

_BYTES = 16


class PartyDigests:
    """Digests of people, with the secret of one desk."""

    def __init__(self, secret: bytes) -> None:
        # A key of its own for each use: a number cannot be compared with a name.
        self._number_key = hmac.digest(secret, b"credit-desk party number 1", hashlib.sha256)
        self._name_key = hmac.digest(secret, b"credit-desk party name 1", hashlib.sha256)

    @classmethod
    def of_desk(cls, secret_file: Path) -> Self:
        """With the secret of this desk, made on first use. Raises UnavailableError."""
        try:
            return cls(secret_in(secret_file))
        except OSError as error:
            raise _unreadable(error) from None

    @classmethod
    def known(cls, secret_file: Path) -> Self | None:
        """With the secret that the desk's API has made; None where this machine does not have it.

        A secret of this machine's own would give digests that match none of the desk's. Raises
        UnavailableError when it cannot be read.
        """
        try:
            secret = known_secret(secret_file)
        except OSError as error:
            raise _unreadable(error) from None
        return cls(secret) if secret is not None else None

    def parties(self, application: Application, outcome: str = "") -> Iterator[Party]:
        """The applicants as the ledger knows them; `outcome` where a batch has decided."""
        for applicant in application.applicants:
            yield Party(
                application_id=application.application_id,
                part=applicant.role.value,
                number_digest=_digest(self._number_key, applicant.ssn),
                name_digest=_digest(self._name_key, _name_and_dob(applicant)),
                amount=str(application.amount_requested),
                outcome=outcome,
            )


def _name_and_dob(applicant: Applicant) -> str:
    """Without middle name, suffix, title, accents and order: forms write these differently."""
    words = normal_name(f"{applicant.first_name} {applicant.last_name}").words
    return f"{applicant.dob} {' '.join(sorted(word.text for word in words))}"


def _digest(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), hashlib.sha256)[:_BYTES]


def _unreadable(error: OSError) -> UnavailableError:
    return UnavailableError(
        f"the secret for the people of applications cannot be read: {type(error).__name__}"
    )
