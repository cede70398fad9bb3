"""The whole platform on one machine, and its command line. It holds no business rule."""
