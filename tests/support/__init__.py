"""What tests share: servers, databases, sessions, psql and mails. Fixtures are in conftest.py."""
