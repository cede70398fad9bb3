"""What every service shares: contracts, flow, money and edges. It owns no tables of its own and knows no service."""
