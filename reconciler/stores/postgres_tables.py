"""The tables in PostgreSQL: `states` and its sequence as Terraform's `pg` backend makes them, the others beside it."""

from __future__ import annotations

MISSING = (
    "SELECT to_regclass('public.global_states_id_seq') IS NULL OR to_regnamespace(quote_ident(?)) IS NULL OR "
    "4 > (SELECT count(*) FROM pg_tables WHERE schemaname = ? AND tablename IN "
    "('states', 'reconciler_history', 'reconciler_journal', 'reconciler_leases'))"
)
"""Asks, with the schema twice, whether any of them is."""
TABLES = (
    "CREATE SEQUENCE IF NOT EXISTS public.global_states_id_seq AS bigint",
    "CREATE TABLE IF NOT EXISTS states (id bigint NOT NULL DEFAULT nextval('public.global_states_id_seq') PRIMARY KEY, "
    "name text UNIQUE, data text)",
    "CREATE UNIQUE INDEX IF NOT EXISTS states_by_name ON states (name)",
    "CREATE TABLE IF NOT EXISTS reconciler_history (name text, serial bigint, data text, PRIMARY KEY (name, serial))",
    "CREATE TABLE IF NOT EXISTS reconciler_journal (name text, seq bigint, lines bytea, PRIMARY KEY (name, seq))",
    "CREATE TABLE IF NOT EXISTS reconciler_leases (name text PRIMARY KEY, fence bigint NOT NULL DEFAULT 0, "
    "holder text NOT NULL DEFAULT '', epoch text NOT NULL DEFAULT '', until double precision NOT NULL DEFAULT 0, "
    "backend integer NOT NULL DEFAULT 0)",
)
