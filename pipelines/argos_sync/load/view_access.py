"""Keep who may read a view when PostgreSQL has to drop it and create it anew.

A dropped view loses its owner, its options and all rights that an administrator has granted, and
the new one gets the default rights of its schema, which may be wider. `CREATE OR REPLACE VIEW`
keeps owner and rights, but not the options.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from argos_sync.load.sql import Client, execute_native


@dataclass(frozen=True, slots=True)
class Grant:
    """A right on a view, or on a column of it; the grantee is quoted."""

    privilege: str
    grantee: str
    grantable: bool
    column: str | None = None


@dataclass(frozen=True, slots=True)
class ViewAccess:
    """The owner of a view, quoted; its options, such as `security_invoker=true`; and its rights."""

    owner: str
    options: Sequence[str]
    grants: Sequence[Grant]


def read_view_access(client: Client, names: Collection[str]) -> dict[str, ViewAccess]:
    """Return the access of those of the views that exist in the client's dataset."""
    views = execute_native(
        client,
        "SELECT c.relname, quote_ident(pg_get_userbyid(c.relowner)), c.reloptions"
        " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relkind = 'v' AND c.relname = ANY(%s)",
        client.fully_qualified_dataset_name(quote=False),
        list(names),
    )
    grants: dict[str, list[Grant]] = {}
    for name, *grant in execute_native(
        client,
        "SELECT c.relname, a.privilege_type, CASE WHEN a.grantee = 0 THEN 'PUBLIC'"
        " ELSE quote_ident(pg_get_userbyid(a.grantee)) END, a.is_grantable, b.column_name"
        " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " CROSS JOIN LATERAL (SELECT c.relacl AS rights, NULL AS column_name"
        " UNION ALL SELECT attacl, quote_ident(attname) FROM pg_attribute"
        " WHERE attrelid = c.oid AND attacl IS NOT NULL AND NOT attisdropped) AS b"
        " CROSS JOIN LATERAL aclexplode(b.rights) AS a"
        " WHERE n.nspname = %s AND c.relkind = 'v' AND c.relname = ANY(%s)"
        " AND a.grantee <> c.relowner",
        client.fully_qualified_dataset_name(quote=False),
        list(names),
    ):
        grants.setdefault(name, []).append(Grant(*grant))
    return {
        name: ViewAccess(owner, options or (), grants.get(name, ()))
        for name, owner, options in views
    }


def restore_view_access(client: Client, stored: Mapping[str, ViewAccess]) -> None:
    """Give views that were created anew the access that they had; others are ignored.

    A right on a column that the view no longer has is left out.
    """
    for name, current in read_view_access(client, stored).items():
        view, access = client.make_qualified_table_name(name), stored[name]
        statements: list[str] = []
        if set(access.grants) != set(current.grants):
            columns = {None, *_column_names(client, view)}
            grantees = sorted({grant.grantee for grant in current.grants})
            statements += [f"REVOKE ALL ON {view} FROM {grantee}" for grantee in grantees]
            kept = [grant for grant in access.grants if grant.column in columns]
            statements += [_grant_statement(view, grant) for grant in kept]
        if set(access.options) != set(current.options):
            statements.append(f"ALTER VIEW {view} SET ({', '.join(access.options)})")
        if access.owner != current.owner:
            statements.append(f"ALTER VIEW {view} OWNER TO {access.owner}")
        for statement in statements:
            execute_native(client, statement)


def _column_names(client: Client, view: str) -> list[str]:
    """Return the quoted names of a view's columns."""
    rows = execute_native(
        client,
        "SELECT quote_ident(attname) FROM pg_attribute"
        " WHERE attrelid = to_regclass(%s) AND attnum > 0",
        view,
    )
    return [name for (name,) in rows]


def _grant_statement(view: str, grant: Grant) -> str:
    columns = f" ({grant.column})" if grant.column else ""
    suffix = " WITH GRANT OPTION" if grant.grantable else ""
    return f"GRANT {grant.privilege}{columns} ON {view} TO {grant.grantee}{suffix}"
