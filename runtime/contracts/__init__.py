"""Pure values: ids, plans, journal entries, messages, records, errors and the ports. No I/O, no clock."""
