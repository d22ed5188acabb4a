"""Rules without a database: facts in, decision out."""
