"""An app like a user's own: executors for the tests, enabled through EXTRA_APPS."""
