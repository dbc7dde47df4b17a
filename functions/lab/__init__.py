"""The lab: see handler.py."""
