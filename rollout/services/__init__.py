"""Acts on a rollout and its runs."""
