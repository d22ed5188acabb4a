"""What ships in evidence packs, and runs without the portal."""
