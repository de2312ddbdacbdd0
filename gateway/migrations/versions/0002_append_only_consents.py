"""the consent register takes new lines and changes of none

The retention may remove lines that are old; a change is refused by the database itself, whatever program asks. The
access trail has its chain for that.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SQLITE = """
    CREATE TRIGGER auth_consent_append_only BEFORE UPDATE ON auth_consent
    BEGIN SELECT RAISE(ABORT, 'the consent register is append-only'); END
"""
POSTGRESQL = """
    CREATE FUNCTION auth_consent_refuse_change() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the consent register is append-only'; END $$;
    CREATE TRIGGER auth_consent_append_only BEFORE UPDATE ON auth_consent
    FOR EACH STATEMENT EXECUTE FUNCTION auth_consent_refuse_change()
"""


def upgrade() -> None:
    op.execute(SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER auth_consent_append_only")
    else:
        op.execute("DROP TRIGGER auth_consent_append_only ON auth_consent")
        op.execute("DROP FUNCTION auth_consent_refuse_change")
