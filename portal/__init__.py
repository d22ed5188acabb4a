"""What every part of the portal shares: people, permissions, ledger, jobs, tokens."""
