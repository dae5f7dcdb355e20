"""What runs cost that wait for somebody: memory, disk, the time to resume one, and the start with all of them."""
