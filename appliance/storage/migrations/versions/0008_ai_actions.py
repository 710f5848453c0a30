"""What projects hold, and what is asked of an AI: issues, merge requests, threads, requests."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

COUNTERS = ("issues_made", "merge_requests_made")


def upgrade() -> None:
    """Applies the change."""
    for counter in COUNTERS:
        op.add_column(
            "projects", sa.Column(counter, sa.Integer(), nullable=False, server_default="0")
        )
    _create_issues()
    _create_merge_requests()
    _create_merge_request_diffs()
    _create_draft_notes()
    _create_notes()
    _create_ci_jobs()
    _create_vulnerabilities()
    _create_ai_threads()
    _create_ai_messages()
    _create_ai_requests()


def _create_issues() -> None:
    op.create_table(
        "issues",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("iid", sa.Integer(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("title", AutoString(), nullable=False),
        sa.Column("description", AutoString(), nullable=False),
        sa.Column("state", AutoString(), nullable=False),
        sa.Column("is_confidential", sa.Boolean(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.Column("closed_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["author_id"], ["users.id"], name=op.f("fk_issues_author_id_users"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_issues_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issues")),
        sa.UniqueConstraint("project_id", "iid", name=op.f("uq_issues_project_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_issues_author_id"), "issues", ["author_id"])
    op.create_index(op.f("ix_issues_project_id"), "issues", ["project_id"])


def _create_merge_requests() -> None:
    op.create_table(
        "merge_requests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("iid", sa.Integer(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("title", AutoString(), nullable=False),
        sa.Column("description", AutoString(), nullable=False),
        sa.Column("state", AutoString(), nullable=False),
        sa.Column("is_draft", sa.Boolean(), nullable=False),
        sa.Column("source_branch", AutoString(), nullable=False),
        sa.Column("target_branch", AutoString(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.Column("merged_at", UTCDateTime(), nullable=True),
        sa.Column("closed_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["author_id"],
            ["users.id"],
            name=op.f("fk_merge_requests_author_id_users"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_merge_requests_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merge_requests")),
        sa.UniqueConstraint("project_id", "iid", name=op.f("uq_merge_requests_project_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_merge_requests_author_id"), "merge_requests", ["author_id"])
    op.create_index(op.f("ix_merge_requests_project_id"), "merge_requests", ["project_id"])


def _create_merge_request_diffs() -> None:
    op.create_table(
        "merge_request_diffs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("merge_request_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("old_path", AutoString(), nullable=False),
        sa.Column("new_path", AutoString(), nullable=False),
        sa.Column("is_new", sa.Boolean(), nullable=False),
        sa.Column("is_renamed", sa.Boolean(), nullable=False),
        sa.Column("is_deleted", sa.Boolean(), nullable=False),
        sa.Column("diff", AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merge_request_id"],
            ["merge_requests.id"],
            name=op.f("fk_merge_request_diffs_merge_request_id_merge_requests"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merge_request_diffs")),
        sa.UniqueConstraint(
            "merge_request_id", "position", name=op.f("uq_merge_request_diffs_merge_request_id")
        ),
    )


def _create_draft_notes() -> None:
    op.create_table(
        "draft_notes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("merge_request_id", sa.Integer(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=False),
        sa.Column("body", AutoString(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["author_id"],
            ["users.id"],
            name=op.f("fk_draft_notes_author_id_users"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["merge_request_id"],
            ["merge_requests.id"],
            name=op.f("fk_draft_notes_merge_request_id_merge_requests"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_draft_notes")),
    )
    op.create_index(op.f("ix_draft_notes_author_id"), "draft_notes", ["author_id"])
    op.create_index(op.f("ix_draft_notes_merge_request_id"), "draft_notes", ["merge_request_id"])


def _create_notes() -> None:
    op.create_table(
        "notes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("noteable_type", AutoString(), nullable=False),
        sa.Column("noteable_id", sa.Integer(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("body", AutoString(), nullable=False),
        sa.Column("is_system", sa.Boolean(), nullable=False),
        sa.Column("is_internal", sa.Boolean(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["author_id"], ["users.id"], name=op.f("fk_notes_author_id_users"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_notes_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_notes_author_id"), "notes", ["author_id"])
    op.create_index("ix_notes_noteable", "notes", ["noteable_type", "noteable_id"])
    op.create_index(op.f("ix_notes_project_id"), "notes", ["project_id"])


def _create_ci_jobs() -> None:
    op.create_table(
        "ci_jobs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("name", AutoString(), nullable=False),
        sa.Column("stage", AutoString(), nullable=False),
        sa.Column("ref", AutoString(), nullable=False),
        sa.Column("status", AutoString(), nullable=False),
        sa.Column("failure_reason", AutoString(), nullable=True),
        sa.Column("trace", AutoString(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.Column("started_at", UTCDateTime(), nullable=True),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["author_id"],
            ["users.id"],
            name=op.f("fk_ci_jobs_author_id_users"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_ci_jobs_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ci_jobs")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_ci_jobs_author_id"), "ci_jobs", ["author_id"])
    op.create_index(op.f("ix_ci_jobs_project_id"), "ci_jobs", ["project_id"])


def _create_vulnerabilities() -> None:
    op.create_table(
        "vulnerabilities",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("title", AutoString(), nullable=False),
        sa.Column("description", AutoString(), nullable=False),
        sa.Column("severity", AutoString(), nullable=False),
        sa.Column("report_type", AutoString(), nullable=False),
        sa.Column("state", AutoString(), nullable=False),
        sa.Column("solution", AutoString(), nullable=False),
        sa.Column("identifiers", sa.JSON(), nullable=False),
        sa.Column("location", sa.JSON(), nullable=False),
        sa.Column("source_code", AutoString(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["author_id"],
            ["users.id"],
            name=op.f("fk_vulnerabilities_author_id_users"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_vulnerabilities_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vulnerabilities")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_vulnerabilities_author_id"), "vulnerabilities", ["author_id"])
    op.create_index(op.f("ix_vulnerabilities_project_id"), "vulnerabilities", ["project_id"])


def _create_ai_threads() -> None:
    op.create_table(
        "ai_threads",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("conversation_type", AutoString(), nullable=False),
        sa.Column("title", AutoString(), nullable=False),
        sa.Column("forgotten_until", sa.Integer(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_ai_threads_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ai_threads")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_ai_threads_user_id"), "ai_threads", ["user_id"])


def _create_ai_messages() -> None:
    op.create_table(
        "ai_messages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", AutoString(), nullable=False),
        sa.Column("thread_id", sa.Integer(), nullable=False),
        sa.Column("request_uid", AutoString(), nullable=False),
        sa.Column("role", AutoString(), nullable=False),
        sa.Column("content", AutoString(), nullable=False),
        sa.Column("errors", sa.JSON(), nullable=False),
        sa.Column("extras", sa.JSON(), nullable=False),
        sa.Column("has_feedback", sa.Boolean(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["thread_id"],
            ["ai_threads.id"],
            name=op.f("fk_ai_messages_thread_id_ai_threads"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ai_messages")),
        sa.UniqueConstraint("request_uid", "role", name=op.f("uq_ai_messages_request_uid")),
        sa.UniqueConstraint("uid", name=op.f("uq_ai_messages_uid")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_ai_messages_thread_id"), "ai_messages", ["thread_id"])


def _create_ai_requests() -> None:
    op.create_table(
        "ai_requests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", AutoString(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("credential_id", sa.Integer(), nullable=False),
        sa.Column("action", AutoString(), nullable=False),
        sa.Column("resource_type", AutoString(), nullable=True),
        sa.Column("resource_id", sa.Integer(), nullable=True),
        sa.Column("project_id", sa.Integer(), nullable=True),
        sa.Column("namespace_id", sa.Integer(), nullable=True),
        sa.Column("thread_id", sa.Integer(), nullable=True),
        sa.Column("client_subscription_id", AutoString(), nullable=True),
        sa.Column("platform_origin", AutoString(), nullable=True),
        sa.Column("client_ip", AutoString(), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("state", AutoString(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("worker", AutoString(), nullable=True),
        sa.Column("leased_until", UTCDateTime(), nullable=True),
        sa.Column("is_cancelled", sa.Boolean(), nullable=False),
        sa.Column("code", AutoString(), nullable=True),
        sa.Column("content", AutoString(), nullable=True),
        sa.Column("errors", sa.JSON(), nullable=False),
        sa.Column("extras", sa.JSON(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("started_at", UTCDateTime(), nullable=True),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["thread_id"],
            ["ai_threads.id"],
            name=op.f("fk_ai_requests_thread_id_ai_threads"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_ai_requests_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ai_requests")),
        sa.UniqueConstraint("uid", name=op.f("uq_ai_requests_uid")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_ai_requests_ended_at"), "ai_requests", ["ended_at"])
    op.create_index("ix_ai_requests_state", "ai_requests", ["state", "id"])
    op.create_index(op.f("ix_ai_requests_thread_id"), "ai_requests", ["thread_id"])
    op.create_index("ix_ai_requests_user_id", "ai_requests", ["user_id", "created_at"])


def downgrade() -> None:
    """Takes the change back."""
    for table in (
        "ai_requests",
        "ai_messages",
        "ai_threads",
        "vulnerabilities",
        "ci_jobs",
        "notes",
        "draft_notes",
        "merge_request_diffs",
        "merge_requests",
        "issues",
    ):
        op.drop_table(table)
    for counter in COUNTERS:
        op.drop_column("projects", counter)
