"""Which item has which slot, and what is known of it besides its vector."""
