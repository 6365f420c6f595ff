"""The tables of the ledger. Their schema moves by the migrations beside this file."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Id = sa.String(64)
_At = sa.String(32)  # ISO 8601 in UTC: sorts as text, reads the same in both databases
_Name = sa.String(64)

applications = sa.Table(
    "applications",
    metadata,
    sa.Column("application_id", _Id, primary_key=True),
    sa.Column("content_sha256", sa.String(64), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),  # the vault: compressed, never in Prefect
    sa.Column("received_at", _At, nullable=False),
    sa.Column("erased_at", _At, nullable=False, server_default=""),  # then the body is empty
    # What retention has found: until when it is kept, for what, and by which rules.
    sa.Column("kept_until", _At, nullable=False, server_default=""),
    sa.Column("kept_for", _Name, nullable=False, server_default=""),
    sa.Column("kept_by", sa.String(128), nullable=False, server_default=""),
)

documents = sa.Table(
    "documents",  # those that came after the application
    metadata,
    sa.Column("application_id", _Id, primary_key=True),
    sa.Column("document_id", _Id, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("size", sa.Integer, nullable=False, server_default="0"),  # before compression
    sa.Column("filed_by", sa.String(128), nullable=False),
    sa.Column("filed_at", _At, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False, server_default=""),  # of an erased one
    sa.Column("filed_sha256", sa.String(64), nullable=False, server_default=""),
)

parties = sa.Table(
    "parties",  # the people of an application, by digests with a secret that is not in the ledger
    metadata,
    sa.Column("application_id", _Id, primary_key=True),
    sa.Column("part", _Name, primary_key=True),  # that the person has in the application
    sa.Column("number_digest", sa.LargeBinary(16), nullable=False, index=True),
    sa.Column("name_digest", sa.LargeBinary(16), nullable=False, index=True),
    sa.Column("amount", _Name, nullable=False),
    sa.Column("outcome", _Name, nullable=False),  # of a batch's decision, which is in its chunk
    sa.Column("filed_at", _At, nullable=False),
    sqlite_with_rowid=False,
)

notes = sa.Table(
    "notes",  # what people write on a case
    metadata,
    sa.Column("note_id", _Id, primary_key=True),
    sa.Column("application_id", _Id, nullable=False),
    sa.Column("run_id", _Id, nullable=False),
    sa.Column("author", sa.String(128), nullable=False),
    sa.Column("author_principal", sa.String(128), nullable=False),
    sa.Column("text", sa.Text, nullable=False),  # empty when it was erased
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("written_at", _At, nullable=False),
    sa.Index("ix_notes_of_application", "application_id", "written_at"),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", _Id, primary_key=True),
    sa.Column("application_id", _Id, nullable=False, index=True),
    sa.Column("origin", sa.String(160), nullable=False, unique=True),  # one run per origin
    sa.Column("flow_run_id", _Id, nullable=False, server_default="", index=True),  # in Prefect
    sa.Column("workflow_version", _Name, nullable=False, server_default=""),
    sa.Column("status", _Name, nullable=False),
    sa.Column("phase", _Name, nullable=False, server_default=""),
    sa.Column("progress", sa.Float, nullable=False, server_default="0"),
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("versions", sa.JSON, nullable=False),
    sa.Column("state", sa.JSON, nullable=False),
    sa.Column("error", sa.JSON, nullable=True),
    sa.Column("traceparent", sa.String(64), nullable=False, server_default=""),
    sa.Column("lineage", sa.JSON, nullable=True),
    sa.Column("retry_state", sa.JSON, nullable=False),  # what went wrong so far: `RetryState`
    sa.Column("cancel_requested", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("legal_hold", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("submitted_by", sa.String(128), nullable=False, server_default=""),
    sa.Column("submitted_by_principal", sa.String(128), nullable=False, server_default=""),
    sa.Column("created_at", _At, nullable=False),
    sa.Column("updated_at", _At, nullable=False),
    sa.Column("last_event_id", sa.Integer, nullable=False, server_default="0"),
    sa.Column("chain", sa.String(64), nullable=False, server_default=""),
    sa.Column("lease_owner", sa.String(128), nullable=True),
    sa.Column("lease_epoch", sa.Integer, nullable=False, server_default="0"),
    sa.Column("lease_until", _At, nullable=False, server_default=""),
    sa.Index("ix_runs_created", "created_at", "run_id"),
    sa.Index("ix_runs_by_status", "status", "created_at", "run_id"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("run_id", _Id, primary_key=True),
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("key", sa.String(160), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("chain", sa.String(64), nullable=False),
    sa.UniqueConstraint("run_id", "key"),
)

checkpoints = sa.Table(
    "checkpoints",
    metadata,
    sa.Column("run_id", _Id, primary_key=True),
    sa.Column("label", _Name, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("ordinal", sa.Integer, nullable=False),  # the run's n-th checkpoint
    sa.Column("storage_key", sa.String(255), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("bytes", sa.Integer, nullable=False),
    sa.Column("schema_version", sa.Integer, nullable=False),
    sa.Column("workflow_version", _Name, nullable=False),
    sa.Column("saved_at", _At, nullable=False),
    sa.Column("purged_at", _At, nullable=True),  # the body is gone, its digest is not
    sa.Index("ix_checkpoints_storage_key", "storage_key"),
)

blobs = sa.Table(
    "blobs",
    metadata,
    sa.Column("path", sa.String(255), primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("written_at", _At, nullable=False, index=True),
)

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("run_id", _Id, primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("stage", _Name, nullable=False),
    sa.Column("author", sa.String(128), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("model_use", sa.JSON(none_as_null=True), nullable=True),
)

model_answers = sa.Table(
    "model_answers",  # replies of chat models that other runs may use
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),  # of the masked request
    sa.Column("run_id", _Id, nullable=False),  # which got it first
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("kept_at", _At, nullable=False),
    sa.Index("ix_model_answers_by_run", "run_id"),
    sa.Index("ix_model_answers_by_age", "kept_at"),
)

restricted = sa.Table(
    "restricted",  # what not everybody may read
    metadata,
    sa.Column("run_id", _Id, primary_key=True),
    sa.Column("name", _Name, primary_key=True),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("written_at", _At, nullable=False),
)

reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("run_id", _Id, primary_key=True),
    sa.Column("gate", _Name, primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("visit", sa.Integer, nullable=False),  # which time the run came to this gate
    sa.Column("role", _Name, nullable=False),
    sa.Column("status", _Name, nullable=False),  # open, answered, rejected, expired
    sa.Column("request", sa.JSON, nullable=False),
    sa.Column("opened_at", _At, nullable=False),
    sa.Column("due_at", _At, nullable=False),
    sa.Column("answer", sa.JSON, nullable=True),
    sa.Column("answered_at", _At, nullable=True),
    sa.Column("idempotency_key", sa.String(128), nullable=True),
    sa.Column("delivered", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("claimed_by", sa.String(128), nullable=True),
    sa.Column("claimed_until", _At, nullable=False, server_default=""),
    sa.Column("snoozed_until", _At, nullable=False, server_default=""),
    sa.Column("snoozed_by", sa.String(128), nullable=False, server_default=""),
    sa.Column("snooze_reason", sa.String(500), nullable=False, server_default=""),
    sa.Column("remind_at", _At, nullable=True),
    sa.Column("reminded_at", _At, nullable=True),
    sa.Column("escalate_at", _At, nullable=True),
    sa.Column("escalated_at", _At, nullable=True),
    sa.Index("ix_reviews_by_due", "status", "due_at", "run_id"),
)


UNDELIVERED = reviews.c.delivered.is_(sa.false()) & reviews.c.answered_at.is_not(None)
"""Answers whose run may still be asleep, in the words of their index."""


def _index_of_few(name: str, column: sa.Column[Any], few: sa.ColumnElement[bool]) -> None:
    """What sweeps look for every few seconds are a few rows of a table that only grows.

    A query uses such an index if it says the same in the same words.
    """
    sa.Index(name, column, sqlite_where=few, postgresql_where=few)


outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("notification_id", _Id, primary_key=True),
    sa.Column("run_id", _Id, nullable=False, index=True),
    sa.Column("event_id", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_try_at", _At, nullable=False, index=True),
    sa.Column("created_at", _At, nullable=False),
)

figures = sa.Table(
    "figures",  # what metrics count
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("metric", _Name, nullable=False),
    sa.Column("labels", sa.Text, nullable=False),
    sa.Column("bound", sa.Float, nullable=False),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("total", sa.Float, nullable=False),
    sa.Column("value", sa.Float, nullable=False),
    sa.Column("trace_id", sa.String(32), nullable=False),
    sa.Column("span_id", sa.String(16), nullable=False),
    sa.Column("observed_at", _At, nullable=False),
)

clearances = sa.Table(
    "clearances",  # what a person cleared and a second one confirmed
    metadata,
    sa.Column("clearance_id", _Id, primary_key=True),
    sa.Column("subject", sa.String(64), nullable=False, index=True),
    sa.Column("about", sa.String(160), nullable=False),
    sa.Column("run_id", _Id, nullable=False),
    sa.Column("proposed_by", sa.String(128), nullable=False),
    sa.Column("proposed_by_principal", sa.String(128), nullable=False),
    sa.Column("proposed_at", _At, nullable=False),
    sa.Column("confirmed_by", sa.String(128), nullable=False, server_default=""),
    sa.Column("confirmed_by_principal", sa.String(128), nullable=False, server_default=""),
    sa.Column("confirmed_at", _At, nullable=False, server_default=""),
    sa.Column("valid_until", _At, nullable=False),
)

NOT_ERASED = applications.c.erased_at == ""
"""Applications whose personal data is still there, in the words of their index."""

_index_of_few("ix_checkpoints_unpurged", checkpoints.c.saved_at, checkpoints.c.purged_at.is_(None))
_index_of_few("ix_applications_not_erased", applications.c.received_at, NOT_ERASED)
_index_of_few("ix_runs_leased", runs.c.lease_owner, runs.c.lease_owner.is_not(None))
_index_of_few("ix_runs_to_stop", runs.c.cancel_requested, runs.c.cancel_requested.is_(sa.true()))
_index_of_few("ix_reviews_undelivered", reviews.c.delivered, UNDELIVERED)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("decision_id", _Id, primary_key=True),
    sa.Column("application_id", _Id, nullable=False, unique=True),  # an application's is one
    sa.Column("run_id", _Id, nullable=True, unique=True),
    sa.Column("batch_id", _Id, nullable=False, server_default=""),
    sa.Column("chunk", sa.Integer, nullable=True),  # of a batch's decision
    sa.Column("inputs_sha256", sa.String(64), nullable=False, server_default=""),
    sa.Column("content_sha256", sa.String(64), nullable=False),
    sa.Column("body", sa.JSON(none_as_null=True), nullable=True),  # a batch's is in its chunk
    sa.Column("decided_at", _At, nullable=False),
    sa.Index("ix_decisions_by_day", "decided_at"),
)

letters = sa.Table(
    "letters",  # as they were sent: a row is written with its decision, and never changed
    metadata,
    sa.Column("decision_id", _Id, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("recipient", _Name, nullable=False),
    sa.Column("kind", _Name, nullable=False),
    sa.Column("due_by", _At, nullable=False),
    sa.Column("sent_at", _At, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),  # compressed JSON
)

decision_events = sa.Table(
    "decision_events",  # what happened to a decision after it was taken
    metadata,
    sa.Column("decision_id", _Id, primary_key=True),
    sa.Column("key", sa.String(160), primary_key=True),  # what can happen once has one key
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("by", sa.String(128), nullable=False),
    sa.Column("by_principal", sa.String(128), nullable=False),
    sa.Column("at", _At, nullable=False),
)

bundles = sa.Table(
    "bundles",  # named versions: a row is written once, and never changed
    metadata,
    sa.Column("name", _Name, primary_key=True),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("pinned", sa.String(64), nullable=False),  # the digest of what it decides by
    sa.Column("workflow_version", _Name, nullable=False),
    sa.Column("created_by", sa.String(128), nullable=False),
    sa.Column("created_by_principal", sa.String(128), nullable=False),
    sa.Column("created_at", _At, nullable=False),
)

promotions = sa.Table(
    "promotions",  # the last row is in force; an empty name means the files of the data folder
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("bundle", _Name, nullable=False),
    sa.Column("pinned", sa.String(64), nullable=False),
    sa.Column("canary_id", _Id, nullable=False),
    sa.Column("evidence", sa.JSON, nullable=False),
    sa.Column("promoted_by", sa.String(128), nullable=False),
    sa.Column("promoted_by_principal", sa.String(128), nullable=False),
    sa.Column("promoted_at", _At, nullable=False),
)

canaries = sa.Table(
    "canaries",
    metadata,
    sa.Column("canary_id", _Id, primary_key=True),
    sa.Column("status", _Name, nullable=False),  # running, promoted, stopped
    sa.Column("mode", _Name, nullable=False),  # shadow, live
    sa.Column("share", sa.Float, nullable=False),
    sa.Column("champion", sa.String(64), nullable=False),  # the digest in force at its start
    sa.Column("champion_bundle", _Name, nullable=False),
    sa.Column("challenger", sa.String(64), nullable=False),
    sa.Column("challenger_bundle", _Name, nullable=False),
    sa.Column("workflow_version", _Name, nullable=False),
    sa.Column("evidence", sa.JSON, nullable=False),  # what a promotion needs
    sa.Column("started_at", _At, nullable=False),
    sa.Column("ended_at", _At, nullable=False),
    sa.Column("checked", sa.Integer, nullable=False),  # measured cases at the last look
    sa.Index("ix_canaries_by_status", "status", "started_at", "canary_id"),
)

canary_cases = sa.Table(
    "canary_cases",
    metadata,
    sa.Column("canary_id", _Id, primary_key=True),
    sa.Column("application_id", _Id, primary_key=True),
    sa.Column("arm", _Name, nullable=False),  # champion, challenger, shadow
    sa.Column("run_id", _Id, nullable=False),
    sa.Column("batch_id", _Id, nullable=False),
    sa.Column("champion", sa.JSON(none_as_null=True), nullable=True),  # as measured
    sa.Column("challenger", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("is_settled", sa.Boolean, nullable=False),
    sa.Column("assigned_at", _At, nullable=False),
)

canary_acts = sa.Table(
    "canary_acts",  # who started, approved, promoted or stopped it: rows are never changed
    metadata,
    sa.Column("canary_id", _Id, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("act", _Name, nullable=False),
    sa.Column("by", sa.String(128), nullable=False),
    sa.Column("by_principal", sa.String(128), nullable=False),
    sa.Column("at", _At, nullable=False),
    sa.Column("body", sa.JSON, nullable=False),
)

UNMEASURED = canary_cases.c.is_settled.is_(sa.false())
"""Cases of canaries that have not come to their end, in the words of their index."""

_index_of_few("ix_canary_cases_unmeasured", canary_cases.c.canary_id, UNMEASURED)


outcomes = sa.Table(
    "outcomes",  # what became of a decided application, as it was reported last
    metadata,
    sa.Column("application_id", _Id, primary_key=True),
    sa.Column("outcome", _Name, nullable=False),
    sa.Column("observed_on", _At, nullable=False),
    sa.Column("forecast", sa.Float, nullable=True),  # the probability that its decision gave
    sa.Column("imported_at", _At, nullable=False),
)

measurements = sa.Table(
    "measurements",  # gauges that a job has measured: their last values
    metadata,
    sa.Column("metric", _Name, primary_key=True),
    sa.Column("labels", sa.String(255), primary_key=True),
    sa.Column("value", sa.Float, nullable=False),
    sa.Column("measured_at", _At, nullable=False),
)

batches = sa.Table(
    "batches",
    metadata,
    sa.Column("batch_id", _Id, primary_key=True),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("path", sa.String(4096), nullable=False),
    sa.Column("file_name", sa.String(300), nullable=False),
    sa.Column("is_copy", sa.Boolean, nullable=False),  # an upload: removed when it is done
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("status", _Name, nullable=False),
    sa.Column("flow_run_id", _Id, nullable=False),  # in Prefect; "" before the first
    sa.Column("starts", sa.Integer, nullable=False),  # also the epoch that its driver writes under
    sa.Column("taken_over", sa.Integer, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("pinned", sa.String(64), nullable=False),
    sa.Column("plan", sa.LargeBinary, nullable=False),  # where each chunk begins, compressed
    sa.Column("chunks", sa.Integer, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("error", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("cancel_requested", sa.Boolean, nullable=False),
    sa.Column("traceparent", sa.String(64), nullable=False),
    sa.Column("submitted_by", sa.String(128), nullable=False),
    sa.Column("submitted_by_principal", sa.String(128), nullable=False),
    sa.Column("created_at", _At, nullable=False),
    sa.Column("updated_at", _At, nullable=False),
    sa.Column("progress", sa.Float, nullable=False),
    sa.Column("last_event_id", sa.Integer, nullable=False),
    sa.Column("chain", sa.String(64), nullable=False),
    sa.Index("ix_batches_created", "created_at", "batch_id"),
    sa.Index("ix_batches_by_status", "status", "created_at", "batch_id"),
)

batch_chunks = sa.Table(
    "batch_chunks",  # a row says that the chunk is finished; its results are in the row
    metadata,
    sa.Column("batch_id", _Id, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("lines", sa.LargeBinary, nullable=False),
    sa.Column("rejects", sa.LargeBinary, nullable=False),
    sa.Column("totals", sa.JSON, nullable=False),
    sa.Column("chain", sa.String(64), nullable=False),
    sa.Column("written_at", _At, nullable=False),
    sa.Column("restricted", sa.LargeBinary, nullable=True),  # not for every reader of the lines
    sa.Index("ix_batch_chunks_written", "written_at"),
)

batch_referrals = sa.Table(
    "batch_referrals",
    metadata,
    sa.Column("batch_id", _Id, primary_key=True),
    sa.Column("line", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("chunk", sa.Integer, nullable=False),
    sa.Column("application_id", _Id, nullable=False, index=True),
    sa.Column("run_id", _Id, nullable=False, index=True),  # "" while it is pending
    sa.Column("status", _Name, nullable=False),  # pending, open, ended
    sa.Column("body", sa.LargeBinary, nullable=False),  # what the run begins with, until it is open
)

UNSETTLED = batch_referrals.c.status != "ended"
"""Referred cases that people have not ruled on, in the words of their index."""

sa.Index(
    "ix_batch_referrals_unsettled",
    batch_referrals.c.status,
    batch_referrals.c.batch_id,
    batch_referrals.c.line,
    sqlite_where=UNSETTLED,
    postgresql_where=UNSETTLED,
)
