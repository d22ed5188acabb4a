"""Acts on incidents, and on the matrix behind them."""
