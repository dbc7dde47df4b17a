"""FastAPI and SQLAlchemy on SQLite, called as an ASGI server calls it."""
