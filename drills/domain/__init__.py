"""Rules of incidents and drills without a database: facts in, decision out."""
