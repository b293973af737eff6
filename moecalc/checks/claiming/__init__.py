"""Claims about models held against shapes, memory, bandwidth, arithmetic and listed prices."""
