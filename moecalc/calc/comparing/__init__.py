"""Models side by side: what each demands, its smallest deployment, and the sentences that follow."""
