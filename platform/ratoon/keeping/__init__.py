"""What keeps a home small, safe and clear of who wants to be forgotten: clearing, backups, forgetting."""
