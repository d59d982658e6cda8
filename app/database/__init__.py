"""The SQL database, PostgreSQL or SQLite, and what each of them needs."""

from .database import WRITERS, Database, database_time, wait_for_turn, wait_for_turns

__all__ = ["WRITERS", "Database", "database_time", "wait_for_turn", "wait_for_turns"]
