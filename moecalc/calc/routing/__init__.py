"""What the router does to the load: observed recordings, placement over ranks, and what a skew costs."""
