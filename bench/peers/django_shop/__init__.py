"""django-payments with its dummy provider on SQLite, called as a WSGI server calls it."""
