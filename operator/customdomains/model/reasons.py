"""The closed lists of words that status, Events, logs, metrics and HTTP share."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """Where a domain stands in its life; these five words are a contract."""

    PENDING = "pending"
    VERIFIED = "verified"
    CERTIFICATE_PENDING = "certificate_pending"
    ACTIVE = "active"
    FAILED = "failed"


class Reason(StrEnum):
    """Why a condition has its value (CamelCase, as the API conventions ask)."""

    # Claimed
    HELD = "Held"
    HELD_BY_ANOTHER = "HeldByAnother"
    INVALID_NAME = "InvalidName"
    SPECIAL_USE_NAME = "SpecialUseName"
    PUBLIC_SUFFIX = "PublicSuffix"
    # Verified
    NOT_CHECKED_YET = "NotCheckedYet"
    PROVED = "Proved"
    RECORD_MISSING = "RecordMissing"
    RECORD_MISMATCH = "RecordMismatch"
    RECORD_CONFLICT = "RecordConflict"
    LOOKUP_FAILED = "LookupFailed"
    PROOF_GONE = "ProofGone"
    PROOF_EXPIRED = "ProofExpired"
    # CertificateIssued
    ISSUED = "Issued"
    AWAITING_VERIFICATION = "AwaitingVerification"
    AWAITING_ISSUE_REQUEST = "AwaitingIssueRequest"
    NOT_WANTED = "NotWanted"
    ORDER_DUE = "OrderDue"
    ORDER_UNDER_WAY = "OrderUnderWay"
    AWAITING_CHALLENGE_RECORD = "AwaitingChallengeRecord"
    CERTIFICATE_EXPIRED = "CertificateExpired"
    UNKNOWN_ISSUER = "UnknownIssuer"
    SECRET_CONFLICT = "SecretConflict"  # noqa: S105 - a reason, no password
    STORAGE_FAILED = "StorageFailed"
    CHALLENGE_NOT_SERVED = "ChallengeNotServed"
    CHALLENGE_FAILED = "ChallengeFailed"
    CA_UNREACHABLE = "CAUnreachable"
    CA_REFUSED = "CARefused"
    CA_RATE_LIMITED = "CARateLimited"
    ORDER_INVALID = "OrderInvalid"
    ORDER_EXPIRED = "OrderExpired"
    ORDER_FOREIGN = "OrderForeign"
    CERTIFICATE_UNUSABLE = "CertificateUnusable"
    # Ready, Reconciling, Stalled
    READY = "Ready"
    IN_PROGRESS = "InProgress"
    SUSPENDED = "Suspended"
