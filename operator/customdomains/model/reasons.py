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
    CONTENDING = "Contending"
    LOST = "Lost"
    CLAIM_EXPIRED = "ClaimExpired"
    RESERVED = "Reserved"
    QUOTA_EXCEEDED = "QuotaExceeded"
    TOO_MANY_CONTENDERS = "TooManyContenders"
    NAME_NOT_ALLOWED = "NameNotAllowed"
    INVALID_NAME = "InvalidName"
    SPECIAL_USE_NAME = "SpecialUseName"
    PUBLIC_SUFFIX = "PublicSuffix"
    # Verified
    NOT_CHECKED_YET = "NotCheckedYet"
    PROVED = "Proved"
    RECORD_MISSING = "RecordMissing"
    RECORD_MISMATCH = "RecordMismatch"
    RECORD_CONFLICT = "RecordConflict"
    OLDER_REGISTRATION = "OlderRegistration"
    WRONG_NAME = "WrongName"
    QUOTED_VALUE = "QuotedValue"
    WRONG_TARGET = "WrongTarget"
    WILDCARD_ANSWER = "WildcardAnswer"
    SERVERS_DISAGREE = "ServersDisagree"
    NEGATIVE_ANSWER_CACHED = "NegativeAnswerCached"
    ALIAS_LOOP = "AliasLoop"
    ZONE_NOT_FOUND = "ZoneNotFound"
    LAME_DELEGATION = "LameDelegation"
    SERVERS_UNREACHABLE = "ServersUnreachable"
    DNSSEC_BOGUS = "DNSSECBogus"
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
    ISSUER_MISCONFIGURED = "IssuerMisconfigured"
    CAA_FORBIDS = "CAAForbids"
    CAA_UNKNOWN = "CAAUnknown"
    SECRET_CONFLICT = "SecretConflict"  # noqa: S105 - a reason, no password
    SECRET_DAMAGED = "SecretDamaged"  # noqa: S105 - likewise
    STORAGE_FAILED = "StorageFailed"
    NO_CHALLENGE = "NoChallenge"
    CHALLENGE_NOT_SERVED = "ChallengeNotServed"
    CHALLENGE_GONE = "ChallengeGone"
    UPDATE_FAILED = "UpdateFailed"
    CHALLENGE_FAILED = "ChallengeFailed"
    CA_UNREACHABLE = "CAUnreachable"
    CA_REFUSED = "CARefused"
    CA_RATE_LIMITED = "CARateLimited"
    AWAITING_BUDGET = "AwaitingBudget"
    ORDER_INVALID = "OrderInvalid"
    ORDER_EXPIRED = "OrderExpired"
    ORDER_FOREIGN = "OrderForeign"
    CERTIFICATE_UNUSABLE = "CertificateUnusable"
    AWAITING_CERT_MANAGER = "AwaitingCertManager"
    CERT_MANAGER_MISSING = "CertManagerMissing"
    CERT_MANAGER_REFUSED = "CertManagerRefused"
    CERTIFICATE_CONFLICT = "CertificateConflict"
    # Ready, Reconciling, Stalled
    READY = "Ready"
    IN_PROGRESS = "InProgress"
    SUSPENDED = "Suspended"
