"""A model over several devices: each rank holds its part of the plan, and what the ranks send is counted."""
