"""The arithmetic of key figures: histories in, numbers out. No clock, no input or output."""
