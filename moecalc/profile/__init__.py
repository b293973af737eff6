"""What is run and watched rather than calculated: everything here needs torch."""
