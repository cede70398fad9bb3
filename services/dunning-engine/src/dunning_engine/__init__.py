"""The engine: owns every decision and every date. It books no money and sends nothing."""
