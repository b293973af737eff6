"""What tokens and requests cost: money, energy, and API prices beside."""
