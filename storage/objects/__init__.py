"""Where the files of a store are: a folder of this machine, or a bucket. Every durable write goes through here."""
