"""A fold over all topics. It owns nothing: every figure can be rebuilt."""
