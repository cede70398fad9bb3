from alembic import context

from dunning_common.migrate import ServiceSchema, create_flow_tables, protect, run_script

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    schema = ServiceSchema(
        package="tests.integration.common.flow", schema=context.config.attributes["schema"]
    )
    create_flow_tables(schema)
    run_script(
        """
        CREATE TABLE applied (
            tenant text NOT NULL, topic text NOT NULL, key text NOT NULL, sequence bigint NOT NULL,
            place bigint GENERATED ALWAYS AS IDENTITY, amount bigint NOT NULL,
            PRIMARY KEY (tenant, place),  -- takes a repeat, so that a test can see it
            CONSTRAINT not_forbidden CHECK (amount <> 666)
        );
        CREATE TABLE balance (
            tenant text NOT NULL, key text NOT NULL, amount bigint NOT NULL,
            PRIMARY KEY (tenant, key),
            CONSTRAINT one_each UNIQUE (tenant, amount) DEFERRABLE INITIALLY DEFERRED
        );
        """
    )
    protect(schema, ("applied", "balance"))
