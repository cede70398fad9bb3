"""The tenants' own templates: every version stays; one of each family and language is in use."""

from alembic import op

from dunning_common.migrate import protect, run_script
from notifier.schema import SCHEMA

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_script(
        """
        CREATE TABLE template_version (
            tenant text NOT NULL, family text NOT NULL, language text NOT NULL,
            version integer NOT NULL CHECK (version > 0),
            source text NOT NULL, sha256 text NOT NULL, note text NOT NULL DEFAULT '',
            written_by text NOT NULL, written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (tenant, family, language, version)
        );
        COMMENT ON TABLE template_version IS 'Own texts of a family, only ever added to.';

        CREATE TABLE template_use (
            tenant text NOT NULL, family text NOT NULL, language text NOT NULL,
            n bigint GENERATED ALWAYS AS IDENTITY,
            version integer,
            used_by text NOT NULL, since timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (tenant, family, language, n),
            FOREIGN KEY (tenant, family, language, version)
                REFERENCES template_version (tenant, family, language, version)
        );
        COMMENT ON TABLE template_use IS
            'Which version was put to use when; the last row counts, NULL means the built-in text.';

        ALTER TABLE message ADD COLUMN template_version integer;
        COMMENT ON COLUMN message.template_version IS
            'Version of the tenant''s own text that the bytes were written with; NULL: built-in.';
        """
    )
    protect(SCHEMA, ("template_version", "template_use"))
    for role in (SCHEMA.api_role, SCHEMA.worker_role):
        op.execute(f"REVOKE UPDATE, DELETE ON template_version, template_use FROM {role}")
        op.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {SCHEMA.schema} TO {role}")
