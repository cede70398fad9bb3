"""What every service shares: contracts, flow, money and edges. It knows no service."""
