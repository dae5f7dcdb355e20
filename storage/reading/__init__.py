"""Reading a store from outside, while the runtime writes it: SQL, data frames, files."""
